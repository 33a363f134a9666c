/** What comes over the wire otherwise: malformed, forbidden, too much, and many at once. */
import { request } from "node:http";
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

  test("other machines without a key", () => {
    expect(() => checkServeOptions({ host: "0.0.0.0" })).toThrow("Expected an API key");
    expect(checkServeOptions({ host: "0.0.0.0", apiKey: "k" }).apiKey).toBe("k");
  });
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
