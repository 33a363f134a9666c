/** Thoughts and answer come apart; the model's template is one whose prompts end inside a thought. */
import OpenAI from "openai";
import { describe, expect, test } from "vitest";
import { NAME, QUESTION, useServer } from "./served.js";

const chatTemplate =
  "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.reasoning_content %}<think>{{ m.reasoning_content }}</think>{% endif %}{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n<think>{% endif %}";
const BUDGET = 6;

const server = useServer({ defaults: { chatTemplate, blockTokens: 4 } });
const client = () => new OpenAI({ baseURL: `${server().url}/v1`, apiKey: "none", maxRetries: 0 });
const messages = [{ role: "user" as const, content: QUESTION }];
const common = { messages, max_tokens: 48, seed: 3, ets: { reasoning: BUDGET } };

interface Thoughtful {
  content?: string | null;
  reasoning_content?: string;
}

describe.each(["", "+ets", "+majority"])("with %s", (method) => {
  const asked = { ...common, model: `${NAME}${method}` };

  test("an answer has its thoughts beside it", async () => {
    const { choices, usage } = await client().chat.completions.create(asked);
    const { content, reasoning_content: thoughts } = (choices[0]?.message ?? {}) as Thoughtful;
    expect(thoughts).toBeTruthy();
    expect(content).not.toContain("think>");
    expect(usage?.completion_tokens_details?.reasoning_tokens).toBeGreaterThan(0);
    expect(usage?.completion_tokens_details?.reasoning_tokens).toBeLessThanOrEqual(BUDGET);
  });

  test.each([{}, { logprobs: true }])("a stream tells of thoughts first (%o)", async (more) => {
    const stream = await client().chat.completions.create({ ...asked, ...more, stream: true });
    const told: (keyof Thoughtful)[] = [];
    const all = { content: "", reasoning_content: "" };
    for await (const { choices } of stream) {
      const delta = choices[0]?.delta as Thoughtful;
      for (const part of ["content", "reasoning_content"] as const) {
        if (!delta?.[part]) continue;
        told.push(part);
        all[part] += delta[part];
      }
    }
    expect(all.reasoning_content).not.toBe("");
    expect(all.content).not.toContain("think>");
    expect(told).toEqual(told.toSorted().toReversed());
  });
});

describe("reasoning_effort", () => {
  const ask = (effort: string, more: object = {}) =>
    client().chat.completions.create({
      ...{ messages, model: NAME, max_tokens: 48, seed: 3, ...more },
      reasoning_effort: effort as "low",
    });

  test("none leaves no thoughts", async () => {
    const { choices } = await ask("none");
    expect(choices[0]?.message).not.toHaveProperty("reasoning_content");
  });

  test("is any of OpenAI's, and no other", async () => {
    for (const effort of ["minimal", "low", "medium", "high"]) {
      const { choices } = await ask(effort, { max_tokens: 4 });
      expect(choices[0]?.message).toHaveProperty("reasoning_content");
    }
    await expect(ask("auto")).rejects.toMatchObject({ status: 400, param: "reasoning_effort" });
    await expect(ask("low", { ets: { reasoning: 3 } })).rejects.toMatchObject({
      ...{ status: 400, param: "ets.reasoning" },
    });
  });

  test("a conversation goes on with the thoughts that were told", async () => {
    const assistant = { role: "assistant" as const, content: "7", reasoning_content: "12 - 5" };
    const more = [...messages, assistant, { role: "user" as const, content: "Sure?" }];
    const { choices } = await client().chat.completions.create({
      ...{ ...common, messages: more, model: NAME },
    });
    expect(choices.length).toBe(1);
  });
});
