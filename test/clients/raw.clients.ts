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
