/** What answers look like on the wire: calls of tools, probabilities in a stream; and an isolated engine. */
import OpenAI from "openai";
import { describe, expect, test } from "vitest";
import { NAME, QUESTION, useModelOf, useServer } from "./served.js";

const messages = [{ role: "user" as const, content: QUESTION }];

describe("tools", () => {
  const chatTemplate = `{% if tools %}{{ tools | tojson }}
{% endif %}{% for m in messages %}<|im_start|>{{ m.role }}
{{ m.content }}{% for c in m.tool_calls %}<tool_call>
{{ c.function | tojson }}
</tool_call>{% endfor %}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}`;
  const server = useServer({ defaults: { chatTemplate } });
  const parameters = { type: "object", properties: { a: { type: "integer" } } };
  const asked = {
    ...{ model: NAME, messages, max_tokens: 120 },
    tools: [{ type: "function" as const, function: { name: "eat", parameters } }],
    // The model has learned no calls.
    ets: {
      ...{ method: "sample" },
      constraint: {
        grammar: `root ::= "<tool_call>\\n{\\"name\\": \\"eat\\", \\"arguments\\": {\\"a\\": " [0-9] "}}\\n</tool_call>"`,
      },
    },
  };
  const client = () => new OpenAI({ baseURL: `${server().url}/v1`, apiKey: "none" });

  test("are called, and their answers go on", async () => {
    const { choices } = await client().chat.completions.create(asked);
    const [{ message, finish_reason: finish } = expect.fail()] = choices;
    expect(finish).toBe("tool_calls");
    expect(message.content).toBeNull();
    const [call = expect.fail()] = message.tool_calls ?? [];
    if (call.type !== "function") throw new Error("expected a function");
    expect(call.function.name).toBe("eat");
    expect(JSON.parse(call.function.arguments)).toEqual({ a: expect.any(Number) });
    const answer = { role: "tool" as const, tool_call_id: call.id, content: "7" };
    const { ets: _, ...free } = asked;
    const next = await client().chat.completions.create({
      ...{ ...free, messages: [...messages, message, answer] },
    });
    expect(next.choices.length).toBe(1);
  });

  test("are called in a stream", async () => {
    const stream = client().chat.completions.stream(asked);
    const { choices } = await stream.finalChatCompletion();
    expect(choices[0]?.finish_reason).toBe("tool_calls");
    expect(choices[0]?.message.tool_calls?.[0]).toMatchObject({ function: { name: "eat" } });
  });
});

describe("a stream with log-probabilities", () => {
  const server = useServer();
  const client = () => new OpenAI({ baseURL: `${server().url}/v1`, apiKey: "none" });

  test("has each token's, and its alternatives", async () => {
    const stream = await client().chat.completions.create({
      ...{ model: NAME, messages, max_tokens: 12, stream: true },
      ...{ logprobs: true, top_logprobs: 3 },
    });
    let text = "";
    const tokens: OpenAI.ChatCompletionTokenLogprob[] = [];
    for await (const { choices } of stream) {
      text += choices[0]?.delta.content ?? "";
      tokens.push(...(choices[0]?.logprobs?.content ?? []));
    }
    expect(tokens.map(({ token }) => token).join("")).toBe(text);
    for (const { token, logprob, bytes, top_logprobs: top } of tokens) {
      expect(logprob).toBeLessThanOrEqual(0);
      expect(Buffer.from(bytes ?? []).toString()).toBe(token);
      expect(top.length).toBeLessThanOrEqual(3);
      expect(top.map((one) => one.logprob)).toEqual(
        top.map((one) => one.logprob).toSorted((a, b) => b - a),
      );
    }
  });
});

describe("an isolated engine", () => {
  const server = useServer({}, { isolate: true });
  const client = () => new OpenAI({ baseURL: `${server().url}/v1`, apiKey: "none" });

  test("answers, streams, and writes what a schema says", async () => {
    for (const method of ["", "+ets"]) {
      const asked = { model: `${NAME}${method}`, messages, max_tokens: 24, seed: 2 };
      const { choices } = await client().chat.completions.create({
        ...{ ...asked, logprobs: true, top_logprobs: 2 },
      });
      const stream = client().chat.completions.stream(asked);
      const streamed = await stream.finalContent();
      expect(choices[0]?.logprobs?.content?.length).toBeGreaterThan(0);
      expect(streamed).not.toBe("");
    }
    const { choices } = await client().chat.completions.create({
      ...{ model: NAME, messages, max_tokens: 12 },
      response_format: {
        type: "json_schema",
        json_schema: { name: "sure", schema: { type: "boolean" } },
      },
    });
    expect(JSON.parse(choices[0]?.message.content ?? "")).toBeTypeOf("boolean");
  });
});

describe("a server with a proposal", () => {
  const proposal = useModelOf("mini-gsm-proposal");
  const server = useServer(() => ({ proposal: proposal() }));

  test("answers by ets-is, side by side, and takes its options", async () => {
    const client = new OpenAI({ baseURL: `${server().url}/v1`, apiKey: "none" });
    const names = (await client.models.list()).data.map(({ id }) => id);
    expect(names).toContain(`${NAME}+ets-is`);
    const asked = { model: `${NAME}+ets-is`, messages, max_tokens: 24, n: 4 };
    const ets = { candidates: 2, rollouts: 2, blockTokens: 8, mixture: 0.5 };
    const { choices } = await client.chat.completions.create({ ...asked, ...{ ets } });
    expect(choices.map((choice) => (choice as { ets?: object }).ets)).toEqual(
      Array.from({ length: 4 }, () => expect.objectContaining({ method: "ets-is" })),
    );
    const refused = client.chat.completions.create({ ...asked, ...{ ets: { mixture: 2 } } });
    await expect(refused).rejects.toMatchObject({ status: 400, param: "mixture" });
  });
});
