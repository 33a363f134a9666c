/** What a server keeps to: keys, places in its queue, time, and its end; and clients that go away. */
import { type AddressInfo, connect, createServer } from "node:net";
import OpenAI from "openai";
import { describe, expect, test } from "vitest";
import { startCli } from "../fixtures/cli-process.js";
import { NAME, QUESTION, useServer } from "./served.js";

const messages = [{ role: "user" as const, content: QUESTION }];
/** Runs until it is ended. */
const ENDLESS = { model: `${NAME}+mh`, messages, max_tokens: 24, ets: { moves: 100_000 } };
const clientOf = (url: string, apiKey = "none") =>
  new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 });

function post(url: string, body: object, more: RequestInit = {}) {
  return fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    ...more,
  });
}

async function gauge(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const [, value] = new RegExp(`^llama_ets_${name} (.+)$`, "m").exec(text) ?? [];
  return Number(value);
}

/** Resolves once nothing runs, waits or holds cells. */
async function isIdle(url: string): Promise<void> {
  for (const name of ["runs_running", "runs_waiting", "cells_used"]) {
    await expect.poll(() => gauge(url, name), { timeout: 20_000 }).toBe(0);
  }
}

describe("a server with a key", () => {
  const server = useServer({ apiKey: "right" });

  test("answers those who have it, and no one else", async () => {
    const { url } = server();
    for (const key of ["wrong", "right2", "righ", ""]) {
      const refused = await fetch(`${url}/v1/models`, {
        headers: { authorization: `Bearer ${key}` },
      });
      expect(refused.status).toBe(401);
    }
    for (const path of ["/v1/models", "/metrics", "/v1/chat/completions"]) {
      expect((await fetch(url + path)).status).toBe(401);
    }
    expect((await fetch(`${url}/health`)).status).toBe(200);
    const refused = clientOf(url, "wrong").models.list();
    await expect(refused).rejects.toBeInstanceOf(OpenAI.AuthenticationError);
    await expect(refused).rejects.toMatchObject({ code: "invalid_api_key" });
    expect((await clientOf(url, "right").models.list()).data.length).toBeGreaterThan(0);
  });
});

describe("a server with one place, and one to wait", () => {
  const server = useServer({ parallel: 1, queue: 1, timeLimit: 1 });

  test("refuses a third until one is free", async () => {
    const { url } = server();
    const aborts = [new AbortController(), new AbortController()];
    const asked = aborts.map(({ signal }) => post(url, ENDLESS, { signal }).catch(() => {}));
    await expect.poll(() => gauge(url, "runs_waiting")).toBe(1);
    const refused = await post(url, { messages });
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(await refused.json()).toMatchObject({
      error: { type: "rate_limit_error", code: "queue_full" },
    });
    await expect(
      clientOf(url).chat.completions.create({ model: NAME, messages, n: 3 }),
    ).rejects.toBeInstanceOf(OpenAI.RateLimitError);
    for (const abort of aborts) abort.abort();
    await Promise.all(asked);
    await isIdle(url);
    expect((await post(url, { messages, max_tokens: 4 })).status).toBe(200);
  });

  test("ends what takes too long, as a stream too", async () => {
    const { url } = server();
    const late = await post(url, ENDLESS);
    expect(late.status).toBe(504);
    expect(await late.json()).toMatchObject({
      error: { type: "timeout_error", code: "time_limit" },
    });
    const stream = await (await post(url, { ...ENDLESS, stream: true })).text();
    expect(stream).toContain('"code":"time_limit"');
    expect(stream).not.toContain("[DONE]");
    await isIdle(url);
  });
});

describe("a large request", () => {
  const server = useServer();
  const LARGE = { ...ENDLESS, model: NAME, ets: { method: "ets", candidates: 64, rollouts: 8 } };

  test("of many large runs lets one that asks for little go first", async () => {
    const { url } = server();
    const abort = new AbortController();
    const large = post(url, { ...LARGE, max_tokens: 160, n: 32 }, { signal: abort.signal })
      .then(({ status }) => `answered with ${status}`)
      .catch(() => "given up");
    await expect.poll(() => gauge(url, "runs_waiting"), { timeout: 10_000 }).toBeGreaterThan(0);
    const small = post(url, { messages, max_tokens: 4 }).then(({ status }) => status);
    expect(await Promise.race([large, small])).toBe(200);
    abort.abort();
    expect(await large).toBe("given up");
    await isIdle(url);
  });

  test("that can never be run is refused before its stream begins, with what fits", async () => {
    const { url } = server();
    for (const stream of [true, false]) {
      const refused = await post(url, { ...LARGE, max_tokens: 100_000, stream });
      expect(refused.status).toBe(400);
      expect(await refused.json()).toMatchObject({
        error: { code: "context_length_exceeded", message: expect.stringContaining("maxTokens: ") },
      });
    }
    expect(await gauge(url, "runs_waiting")).toBe(0);
  });
});

describe("clients that go away", () => {
  const server = useServer();

  test("free in mid-answer what they held", async () => {
    const { url } = server();
    const aborted = await gauge(url, "aborts_total");
    const abort = new AbortController();
    const answers = [true, false].map((stream) =>
      post(
        url,
        { ...ENDLESS, stream, ets: { ...ENDLESS.ets, events: stream } },
        { signal: abort.signal },
      )
        .then((response) => response.text())
        .catch(() => "gone"),
    );
    await expect.poll(() => gauge(url, "runs_running")).toBe(2);
    expect(await gauge(url, "cells_used")).toBeGreaterThan(0);
    abort.abort();
    expect(await Promise.all(answers)).toEqual(["gone", "gone"]);
    await isIdle(url);
    expect(await gauge(url, "aborts_total")).toBe(aborted + 2);
  });

  test("or send half a request, hold nothing and are cut off", async () => {
    const { url, port } = server();
    const head = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n";
    const body = `${head}Content-Type: application/json\r\nContent-Length: 500\r\n\r\n{"messages"`;
    const sockets = [head, body, "GET"].map((text) => {
      const socket = connect(port, "127.0.0.1", () => socket.write(text));
      return socket.on("error", () => {}).resume();
    });
    const closed = sockets.map((socket) => new Promise((resolve) => socket.on("close", resolve)));
    expect((await post(url, { messages, max_tokens: 4 })).status).toBe(200);
    expect(await gauge(url, "runs_running")).toBe(0);
    // One leaves in the middle of its body; the server itself ends those whose head doesn't come.
    sockets[1]?.destroy();
    await Promise.all(closed);
    await isIdle(url);
  });
});

test("SIGTERM ends a server that has answered what it was asked for", async () => {
  const port = await freePort();
  const args = ["-m", NAME, "--threads", "1", "--port", String(port)];
  const server = startCli(["serve", ...args]);
  await server.says("Serving");
  const url = `http://127.0.0.1:${port}`;
  const body = { model: `${NAME}+mh`, messages, max_tokens: 48, stream: true };
  const response = await post(url, { ...body, ets: { moves: 60, events: true } });
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const pieces = [await reader.read()];
  server.child.kill("SIGTERM");
  await server.says("Answering what was asked for");
  const late = await post(url, { messages }).then(
    ({ status }) => status,
    () => "refused",
  );
  expect([503, "refused"]).toContain(late);
  while (pieces.at(-1)?.done === false) pieces.push(await reader.read());
  const text = pieces.map(({ value }) => Buffer.from(value ?? []).toString("latin1")).join("");
  expect(text).toContain('"finish_reason":"');
  expect(text.trimEnd()).toMatch(/\[DONE\]$/);
  expect(await server.finished).toMatchObject({ code: 0, signal: null });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
