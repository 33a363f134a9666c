/** The clients people use, as they come from npm. */
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, streamText } from "ai";
import { Ajv } from "ajv";
import OpenAI from "openai";
import { describe, expect, test } from "vitest";
import { NAME, QUESTION, useServer } from "./served.js";

const server = useServer();
const client = () => new OpenAI({ baseURL: `${server().url}/v1`, apiKey: "none", maxRetries: 0 });
const messages = [{ role: "user" as const, content: QUESTION }];
const common = { model: NAME, messages, max_tokens: 24, seed: 7 };

/** Its longest text, with all the blanks that it allows, has some 340 tokens. */
const SCHEMA = {
  type: "object",
  properties: {
    eater: { enum: ["Sam", "Tom"] },
    left: { type: "integer", minimum: 0, maximum: 99 },
  },
  required: ["eater", "left"],
  additionalProperties: false,
};
const isApples = new Ajv().compile(SCHEMA);
const TOOL = { type: "function" as const, function: { name: "add", parameters: {} } };

describe("openai", () => {
  test("lists the model and its methods", async () => {
    const ids: string[] = [];
    for await (const { id } of client().models.list()) ids.push(id);
    expect(ids).toEqual(
      expect.arrayContaining([NAME, `${NAME}+ets`, `${NAME}+majority`, `${NAME}+auto`]),
    );
  });

  test("answers at once and as a stream, with what it took", async () => {
    const whole = await client().chat.completions.create(common);
    const stream = await client().chat.completions.create({
      ...common,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = "";
    let finish: string | null = null;
    let usage: OpenAI.CompletionUsage | null | undefined;
    for await (const { choices, usage: last } of stream) {
      text += choices[0]?.delta.content ?? "";
      finish ??= choices[0]?.finish_reason ?? null;
      usage = last ?? usage;
    }
    expect(text).not.toBe("");
    expect(finish).toBe(whole.choices[0]?.finish_reason);
    expect(usage?.completion_tokens).toBeGreaterThan(0);
    expect(whole.usage?.total_tokens).toBe(
      (whole.usage?.prompt_tokens ?? 0) + (whole.usage?.completion_tokens ?? 0),
    );
  });

  test("has n answers, each with its tokens' log-probabilities and alternatives", async () => {
    const { choices, usage } = await client().chat.completions.create({
      ...{ ...common, n: 3, logprobs: true, top_logprobs: 2 },
    });
    expect(choices.map(({ index }) => index)).toEqual([0, 1, 2]);
    for (const { message, logprobs } of choices) {
      const entries = logprobs?.content ?? [];
      expect(entries.map(({ token }) => token).join("")).toBe(message.content);
      for (const { logprob, top_logprobs: top } of entries) {
        expect(top.length).toBeLessThanOrEqual(2);
        expect(logprob).toBeLessThanOrEqual((top[0]?.logprob ?? 0) + 1e-4);
      }
    }
    expect(usage?.prompt_tokens).toBeLessThan(60);
  });

  test.each([
    ["sample", {}, "a worse one"],
    ["best-of-n", { ets: { reward: "confidence", candidates: 3 } }, "whole texts"],
    ["particle", { ets: { potential: "confidence", candidates: 3 } }, "beginnings"],
    ["particle", { ets: { constraint: { choices: ["9", "10"] }, candidates: 3 } }, "constraint"],
    ["ets", { ets: { rollouts: 1, candidates: 2 } }, "its options"],
  ])("with auto has an answer of %s, and is told why: %j", async (method, asked, because) => {
    const model = `${NAME}+auto`;
    const { choices } = await client().chat.completions.create({ ...common, model, ...asked });
    expect(choices[0]).toMatchObject({
      ets: {
        method,
        auto: {
          because: expect.stringContaining(because),
          evidence: expect.stringMatching(/^docs/),
        },
      },
    });
  });

  test("is refused a reward that needs a task's items", async () => {
    for (const asked of [{ reward: "ifeval" }, { potential: "confidence+ifeval" }]) {
      const body = { ...common, ets: { method: "particle", ...asked } };
      await expect(client().chat.completions.create(body)).rejects.toMatchObject({
        ...{ status: 400, param: `ets.${Object.keys(asked)[0]}` },
        message: expect.stringContaining("`ifeval` judges by the items of a task"),
      });
    }
  });

  test("with auto is refused what only named methods take", async () => {
    const asked = { ...common, ets: { method: "auto", alpha: 3 } };
    await expect(client().chat.completions.create(asked)).rejects.toMatchObject({
      ...{ status: 400, param: "alpha" },
      message: expect.stringContaining("not auto"),
    });
  });

  test("is told how a guided answer was found", async () => {
    const { choices } = await client().chat.completions.create({
      ...common,
      model: `${NAME}+ets`,
    });
    expect(choices[0]).toMatchObject({ ets: { method: "ets", law: "target" } });
    const asked = { ...common, ets: { method: "majority", candidates: 5 } };
    const elected = await client().chat.completions.create(asked);
    const { ets } = elected.choices[0] as unknown as { ets: { votes: { votes: number }[] } };
    expect(ets.votes.reduce((sum, { votes }) => sum + votes, 0)).toBe(5);
  });

  test("aborts, and errors have their types", async () => {
    const abort = new AbortController();
    const asked = client().chat.completions.create(
      { ...common, model: `${NAME}+mh`, ...{ ets: { moves: 5000 } } },
      { signal: abort.signal },
    );
    setTimeout(() => abort.abort(), 200);
    await expect(asked).rejects.toBeInstanceOf(OpenAI.APIUserAbortError);
    const refused = (more: object) => client().chat.completions.create({ ...common, ...more });
    await expect(refused({ model: "other" })).rejects.toBeInstanceOf(OpenAI.NotFoundError);
    await expect(refused({ grammar: "x" })).rejects.toMatchObject({
      ...{ status: 400, param: "grammar", code: "unknown_parameter" },
    });
    await expect(refused({ temperature: -1 })).rejects.toBeInstanceOf(OpenAI.BadRequestError);
    await expect(refused({ ets: { reward: "module:x.mjs" } })).rejects.toMatchObject({
      ...{ status: 400, param: "ets.reward" },
    });
  });

  test.each(["", "+ets", "+majority"])("writes what a schema says (%s)", async (method) => {
    const asked = { ...common, model: `${NAME}${method}`, max_tokens: 400 };
    const format = {
      type: "json_schema" as const,
      json_schema: { name: "apples", schema: SCHEMA },
    };
    for (const strict of [true, null]) {
      const json_schema = { ...format.json_schema, strict };
      const { choices } = await client().chat.completions.parse({
        ...{ ...asked, response_format: { ...format, json_schema } },
      });
      const [{ message, finish_reason: finish } = expect.fail()] = choices;
      expect(finish).toBe("stop");
      expect(isApples(JSON.parse(message.content ?? ""))).toBe(true);
    }
  });

  test("writes any object, as a stream too", async () => {
    const stream = client().chat.completions.stream({
      ...{ ...common, max_tokens: 400, response_format: { type: "json_object" } },
    });
    const { choices } = await stream.finalChatCompletion();
    const content = choices[0]?.message.content ?? "";
    expect(content).toMatch(/^\{/);
    if (choices[0]?.finish_reason === "stop") expect(JSON.parse(content)).toBeTypeOf("object");
  });

  test("is whole under a bound of tokens, where it is to be closed", async () => {
    const asked = {
      ...{ ...common, max_tokens: 40, response_format: { type: "json_object" as const } },
      ets: { method: "sample", close: true },
    };
    const plain = await client().chat.completions.create(asked);
    const streamed = await client().chat.completions.stream(asked).finalChatCompletion();
    for (const { choices } of [plain, streamed]) {
      expect(choices[0]?.finish_reason).toBe("stop");
      expect(JSON.parse(choices[0]?.message.content ?? "")).toBeTypeOf("object");
    }
  });

  test("is told what no answer can be", async () => {
    const refused = (response_format: object, more: object = {}) =>
      client().chat.completions.create({ ...common, ...({ response_format } as object), ...more });
    const schema = (schema: unknown, more: object = {}) => ({
      ...{ type: "json_schema", json_schema: { name: "a", schema, ...more } },
    });
    const wrong = [
      [refused(schema({ type: "array", uniqueItems: true })), "response_format"],
      [refused(schema({ type: "object", required: ["a"], maxProperties: 0 })), "response_format"],
      [
        refused(schema(SCHEMA), { stream: true, ets: { constraint: { words: 2 } } }),
        "ets.constraint",
      ],
      [refused(schema(undefined)), "response_format.json_schema.schema"],
      [refused(schema(SCHEMA, { strict: "yes" })), "response_format.json_schema.strict"],
      [refused(schema(SCHEMA, { grammar: "x" })), "response_format.json_schema"],
      [refused({ type: "json_object", schema: SCHEMA }), "response_format"],
      [refused({ type: "xml" }), "response_format"],
      [refused({ type: "json_object" }, { tools: [TOOL] }), "response_format"],
      [refused({ type: "text" }, { tool_choice: "required" }), "tool_choice"],
      [refused({ type: "text" }, { tools: [TOOL], tool_choice: "any" as never }), "tool_choice"],
    ] as const;
    for (const [answer, param] of wrong) {
      await expect(answer).rejects.toMatchObject({ status: 400, param });
    }
  });

  test("completes a text", async () => {
    const { choices } = await client().completions.create({
      ...{ model: NAME, prompt: ["Sam has 3", "Tom has 4"], max_tokens: 6, logprobs: 1, n: 2 },
    });
    expect(choices.length).toBe(4);
    for (const { text, logprobs } of choices) expect(logprobs?.tokens?.join("")).toBe(text);
  });
});

describe("the AI SDK", () => {
  const model = (id: string) =>
    createOpenAICompatible({ name: "local", baseURL: `${server().url}/v1` })(id);

  test("generates", async () => {
    const { text, usage } = await generateText({
      ...{ model: model(`${NAME}+ets`), prompt: QUESTION, maxOutputTokens: 24 },
    });
    expect(text).not.toBe("");
    expect(usage.outputTokens).toBeGreaterThan(0);
  });

  test("streams", async () => {
    let text = "";
    const { textStream } = streamText({
      ...{ model: model(NAME), prompt: QUESTION, maxOutputTokens: 24 },
    });
    for await (const piece of textStream) text += piece;
    expect(text).not.toBe("");
  });
});
