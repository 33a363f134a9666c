/** What comes over the wire otherwise: malformed, forbidden, too much, and many at once. */
import { Agent, request } from "node:http";
import { describe, expect, test } from "vitest";
import { checkServeOptions } from "../../src/server/serve.js";
import { NAME, QUESTION, useServer } from "./served.js";

const server = useServer({ maxBodyBytes: 100_000, parallel: 8, queue: 400 });
const messages = [{ role: "user", content: QUESTION }];

function post(body: unknown, headers: Record<string, string> = {}, signal?: AbortSignal) {
  return fetch(`${server().url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
    ...(signal && { signal }),
  });
}

const codeOf = async (response: Response) =>
  ((await response.json()) as { error: { code: string } }).error.code;

describe("refuses", () => {
  test.each<[string, unknown, number, string]>([
    ["what is no JSON", "{bad", 400, "invalid_json"],
    ["an array", [], 400, "invalid_json"],
    ["no messages", {}, 400, "invalid_value"],
    ["a body that is too large", { messages, user: "x".repeat(200_000) }, 413, "body_too_large"],
    ["a field it doesn't know", { messages, min_tokens: 3 }, 400, "unknown_parameter"],
    ["a penalty", { messages, presence_penalty: 1 }, 400, "unsupported_value"],
    ["no schema", { messages, response_format: { type: "json_schema" } }, 400, "invalid_type"],
    ["what is said twice", { messages, seed: 1, ets: { seed: 2 } }, 400, "invalid_value"],
    ["an effort", { messages, reasoning_effort: "all" }, 400, "unsupported_value"],
    ["another method's option", { messages, ets: { moves: 3 } }, 400, "invalid_value"],
    ["a template", { messages, ets: { chatTemplate: "x" } }, 400, "unsupported_parameter"],
    ["too many answers", { messages, n: 1000 }, 400, "invalid_value"],
  ])("%s", async (_, body, status, code) => {
    const response = await post(body);
    expect(response.status).toBe(status);
    expect(await codeOf(response)).toBe(code);
  });

  test("another type of content, a foreign origin and a foreign host", async () => {
    expect((await post("{}", { "content-type": "text/plain" })).status).toBe(415);
    expect((await post({ messages }, { origin: "https://other.example" })).status).toBe(403);
    const status = await new Promise((resolve, reject) => {
      const asked = request(
        { port: server().port, path: "/v1/models", headers: { host: "other.example" } },
        (response) => resolve(response.resume().statusCode),
      );
      asked.on("error", reject).end();
    });
    expect(status).toBe(403);
  });

  test("what is too large so that its sender hears of it, and not by a connection that breaks", async () => {
    const body = JSON.stringify({ messages, user: "x".repeat(8_000_000) });
    const statuses = Array.from({ length: 12 }, async () => (await post(body)).status);
    expect(new Set(await Promise.all(statuses))).toEqual(new Set([413]));
  });

  test("other machines without a key", () => {
    expect(() => checkServeOptions({ host: "0.0.0.0" })).toThrow("Expected an API key");
    expect(checkServeOptions({ host: "0.0.0.0", apiKey: "k" }).apiKey).toBe("k");
  });
});

/** Every field that requests may have, with values of every kind of JSON. */
describe("no field and no value of any type fails the server", () => {
  const FIELDS = [
    ...["model", "messages", "prompt", "stream", "stream_options", "n", "seed", "stop", "best_of"],
    ...["temperature", "top_p", "top_k", "min_p", "max_tokens", "max_completion_tokens", "echo"],
    ...["logprobs", "top_logprobs", "response_format", "logit_bias", "ets", "tools", "suffix"],
    ...["tool_choice", "modalities", "reasoning_effort", "user", "metadata", "store", "functions"],
    ...["frequency_penalty", "parallel_tool_calls", "constructor", "__proto__", "toString"],
    ...["continue_final_message", "add_generation_prompt"],
  ];
  const GUIDED = [
    ...["method", "events", "candidates", "lambda", "reward", "budget", "adaptive", "constraint"],
    ...["reasoning", "diffusion", "stop", "block", "close", "proposal", "constructor", "__proto__"],
  ];
  const VALUES: unknown[] = [
    "x",
    "",
    -1,
    0,
    1e300,
    1.5,
    true,
    null,
    {},
    [],
    [1],
    ["x", 1],
    { constructor: 1 },
  ];

  /** Objects in the source would set their prototype by this name. */
  const withField = (fields: object, name: string, value: unknown) =>
    `${JSON.stringify({ ...fields, [name]: undefined }).slice(0, -1)},${JSON.stringify(name)}:${JSON.stringify(value)}}`;

  async function check(path: string, body: string): Promise<void> {
    const headers = { "content-type": "application/json" };
    const response = await fetch(`${server().url}${path}`, { method: "POST", headers, body });
    const text = await response.text();
    expect([200, 400, 404], `${body} ${text}`).toContain(response.status);
    if (response.status === 200) return;
    const { error } = JSON.parse(text);
    expect(error).toEqual({
      ...{ type: "invalid_request_error", message: expect.stringMatching(/./) },
      ...{
        code: expect.stringMatching(/^[a-z_]+$/),
        param: expect.toBeOneOf([null, expect.any(String)]),
      },
    });
    const asksForPrompt = path === "/v1/completions" && error.param === "messages";
    expect(asksForPrompt && !body.includes("messages"), body).toBe(false);
  }

  test.each(["/v1/chat/completions", "/v1/completions"])("of %s", async (path) => {
    const own = path.includes("chat") ? { messages } : { prompt: "Sam has" };
    const fields = { model: NAME, ...own, max_tokens: 1 };
    const bodies = [
      ...FIELDS.flatMap((name) => VALUES.map((value) => withField(fields, name, value))),
      ...(path.includes("chat") ? GUIDED : []).flatMap((name) =>
        VALUES.map((value) => {
          const guided = withField({ method: "majority", candidates: 2 }, name, value);
          return `${JSON.stringify(fields).slice(0, -1)},"ets":${guided}}`;
        }),
      ),
    ];
    // Eight at a time: the server's own places.
    for (let i = 0; i < bodies.length; i += 8) {
      await Promise.all(bodies.slice(i, i + 8).map((body) => check(path, body)));
    }
  });
});

test("names the field that is at fault, and the methods of a route", async () => {
  const answered = async (path: string, body: object) => {
    const headers = { "content-type": "application/json" };
    const init = { method: "POST", headers, body: JSON.stringify({ model: NAME, ...body }) };
    return (await fetch(`${server().url}${path}`, init)).json();
  };
  for (const prompt of [[-1], [99_999_999], ""]) {
    expect(await answered("/v1/completions", { prompt })).toMatchObject({
      error: { param: "prompt", code: "invalid_value" },
    });
  }
  for (const [name, value] of [
    ["logit_bias", 5],
    ["temperature", "1"],
    ["user", 5],
  ] as const) {
    expect(await answered("/v1/chat/completions", { messages, [name]: value })).toMatchObject({
      error: { param: name, code: "invalid_type" },
    });
  }
  // Neutral values that vLLM's and llama-server's clients send.
  const neutral = { top_k: -1, min_p: 0, repetition_penalty: 1, max_tokens: 1 };
  expect(await answered("/v1/completions", { prompt: "Sam", ...neutral })).toMatchObject({
    object: "text_completion",
  });
  // And how its-hub goes on with a text.
  const begun = [...messages, { role: "assistant", content: "He has" }];
  const turn = { continue_final_message: true, add_generation_prompt: false, max_tokens: 1 };
  expect(await answered("/v1/chat/completions", { messages: begun, ...turn })).toMatchObject({
    object: "chat.completion",
  });
  expect(await answered("/v1/chat/completions", { messages, ...turn })).toMatchObject({
    error: { param: "continue_final_message", code: "unsupported_value" },
  });
  const wrong = await fetch(`${server().url}/v1/chat/completions`);
  expect([wrong.status, wrong.headers.get("allow"), await codeOf(wrong)]).toEqual([
    ...[405, "POST", "method_not_allowed"],
  ]);
});

test("answers bodies that come in chunks", async () => {
  const send = async (text: string) => {
    const body = new Blob([text]).stream();
    const { url } = server();
    const headers = { "content-type": "application/json" };
    return fetch(`${url}/v1/chat/completions`, { method: "POST", headers, body, duplex: "half" });
  };
  expect((await send(JSON.stringify({ messages, max_tokens: 4 }))).status).toBe(200);
  expect((await send("{")).status).toBe(400);
  expect((await send(JSON.stringify({ messages, user: "x".repeat(200_000) }))).status).toBe(413);
});

test("keeps a connection on which it refused, read or not, for the next request", async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const ask = (body: string, path = "/v1/chat/completions", more = {}) =>
    new Promise<[status: number | undefined, isReused: boolean]>((resolve, reject) => {
      const headers = { "content-type": "application/json", ...more };
      const { port } = server();
      const options = { agent, port, path, method: "POST", headers };
      const asked = request(options, (response) => {
        response.resume().on("end", () => resolve([response.statusCode, asked.reusedSocket]));
      });
      asked.on("error", reject).end(body);
    });
  const good = JSON.stringify({ messages, max_tokens: 2 });
  expect(await ask(good)).toEqual([200, false]);
  expect(await ask("{")).toEqual([400, true]);
  expect(await ask(good, "/v1/nothing")).toEqual([404, true]);
  expect(await ask(good, undefined, { "content-type": "text/plain" })).toEqual([415, true]);
  expect(await ask(good, undefined, { origin: "https://other.example" })).toEqual([403, true]);
  expect(await ask(JSON.stringify({ messages, user: "x".repeat(5_000_000) }))).toEqual([413, true]);
  // Longer than what ends a connection whose request was not read.
  await new Promise((resolve) => setTimeout(resolve, 700));
  expect(await ask(good)).toEqual([200, true]);
  agent.destroy();
});

test("answers or refuses each of 200 requests at once", async () => {
  const methods = ["sample", "greedy", "ets", "majority", "best-of-n", "particle", "beam", "mh"];
  const outcomes = await Promise.all(
    Array.from({ length: 200 }, async (_, i) => {
      if (i % 10 === 3) return (await post(i % 20 === 3 ? "{" : { messages, top: 1 })).status;
      const model = `${NAME}+${methods[i % methods.length]}`;
      const abort = new AbortController();
      if (i % 10 === 7) setTimeout(() => abort.abort(), (i % 40) * 5);
      const body = { model, messages, max_tokens: 12, stream: i % 3 === 0 };
      try {
        const response = await post(body, {}, abort.signal);
        const text = await response.text();
        if (response.status !== 200) return `${response.status} ${text}`;
        return text.includes('"finish_reason":"') ? 200 : text;
      } catch (error) {
        return abort.signal.aborted ? "aborted" : `${error} ${(error as Error).cause}`;
      }
    }),
  );
  for (const [i, outcome] of outcomes.entries()) {
    if (i % 10 === 3) expect(outcome).toBe(400);
    else if (i % 10 === 7) expect([200, "aborted"]).toContain(outcome);
    else expect(outcome).toBe(200);
  }
  const isFree = async () =>
    (await (await fetch(`${server().url}/metrics`)).text()).includes("llama_ets_runs_running 0");
  await expect.poll(isFree, { timeout: 10_000 }).toBe(true);
});
