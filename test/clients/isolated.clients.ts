/** A server whose engine runs in a process of its own: the same answers, and a process that ends is an error. */
import { execFileSync } from "node:child_process";
import OpenAI from "openai";
import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Model } from "../../src/engine/engine.js";
import { loadModel } from "../../src/engine/load-model.js";
import { type RunningServer, serve } from "../../src/server/serve.js";
import { NAME, QUESTION } from "./served.js";

const messages = [{ role: "user" as const, content: QUESTION }];
/** Runs until it is ended. */
const ENDLESS = { model: `${NAME}+mh`, messages, max_tokens: 24, ets: { moves: 100_000 } };

let model: Model;
let server: RunningServer;
let log = "";
beforeAll(async () => {
  model = await loadModel(NAME, { threads: 1, isolate: true });
  const write = (line: string) => {
    log += line;
  };
  const served = { name: NAME, model, defaults: { blockTokens: 16 } };
  server = await serve([served], { port: 0, log: pino({ base: null }, { write }) });
});
afterAll(async () => {
  await server.close();
  await model.dispose();
});

const clientOf = (maxRetries = 0) =>
  new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none", maxRetries });

/** The processes of engines that this one has started, by their ids. */
function engines(): number[] {
  const list = execFileSync("ps", ["-eo", "pid=,ppid=,args="], { encoding: "utf8" });
  const rows = list.split("\n").map((line) => line.trim().split(/\s+/));
  return rows
    .filter(([, parent, ...args]) => {
      return Number(parent) === process.pid && args.join(" ").includes("engine-process");
    })
    .map(([pid]) => Number(pid));
}

async function running(): Promise<number> {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  return Number(/^llama_ets_runs_running (\d+)/m.exec(text)?.[1]);
}

/** The pieces of a streamed answer. */
async function piecesOf(asked: object): Promise<string[]> {
  const stream = await clientOf().chat.completions.create({
    ...{ model: NAME, messages, max_tokens: 200, seed: 3, stream: true },
    ...asked,
  });
  const pieces: string[] = [];
  for await (const { choices } of stream) pieces.push(choices[0]?.delta.content ?? "");
  return pieces.filter((piece) => piece !== "");
}

async function everyRouteAnswers(): Promise<void> {
  const { chat, completions, models } = clientOf();
  expect((await models.list()).data.length).toBeGreaterThan(0);
  for (const method of ["", "+ets", "+majority", "+mh", "+beam"]) {
    const asked = { model: `${NAME}${method}`, messages, max_tokens: 16 };
    const { choices } = await chat.completions.create({ ...asked, ...{ ets: { candidates: 2 } } });
    expect(choices[0]?.message.content).toBeTypeOf("string");
  }
  const told = await chat.completions.create({
    ...{ model: NAME, messages, max_tokens: 8, logprobs: true, top_logprobs: 2 },
  });
  expect(told.choices[0]?.logprobs?.content?.[0]?.top_logprobs).toHaveLength(2);
  const texts = await completions.create({ model: NAME, prompt: ["Sam", "Tom"], max_tokens: 4 });
  expect(texts.choices).toHaveLength(2);
  const format = { json_schema: { name: "sure", schema: { type: "boolean" } } };
  const json = await chat.completions.create({
    ...{ model: NAME, messages, max_tokens: 12 },
    response_format: { type: "json_schema", ...format },
  });
  expect(JSON.parse(json.choices[0]?.message.content ?? "")).toBeTypeOf("boolean");
  // No end of the text within its bound, so that it comes in several pieces.
  expect((await piecesOf({ ets: { constraint: { words: 40 } } })).length).toBeGreaterThan(1);
}

test("every route answers, and streams come in pieces", everyRouteAnswers);

test("a killed process is a named error of what it was asked, and the next is answered", async () => {
  const [before = 0] = engines();
  const { chat } = clientOf();
  const whole = chat.completions.create(ENDLESS);
  const streamed = chat.completions
    .create({ ...ENDLESS, ...{ ets: { ...ENDLESS.ets, events: true } }, stream: true })
    .then(async (stream) => {
      for await (const _ of stream);
    });
  const failures = Promise.allSettled([whole, streamed]);
  await expect.poll(running, { timeout: 20_000 }).toBe(2);
  process.kill(before, "SIGKILL");
  const [first, second] = await failures;
  expect(first).toMatchObject({
    status: "rejected",
    reason: { status: 503, code: "err_engine_crashed", type: "server_error" },
  });
  expect((first as PromiseRejectedResult).reason.headers.get("retry-after")).toBe("1");
  expect(second).toMatchObject({ status: "rejected", reason: { code: "err_engine_crashed" } });
  expect(log).toContain("SIGKILL");
  expect(await running()).toBe(0);

  await everyRouteAnswers();
  const [after = 0, ...others] = engines();
  expect([after === before, others]).toEqual([false, []]);
  // Requests share a context again, which no run holds a part of.
  expect(model.freeMemory().sharedIdleBytes).toBeGreaterThan(0);
}, 120_000);

test("a client that repeats what failed doesn't notice", async () => {
  const [pid = 0] = engines();
  const asked = { model: `${NAME}+mh`, messages, max_tokens: 24, ...{ ets: { moves: 40 } } };
  const answer = clientOf(3).chat.completions.create(asked);
  await expect.poll(running, { timeout: 20_000 }).toBe(1);
  process.kill(pid, "SIGKILL");
  expect((await answer).choices).toHaveLength(1);
}, 120_000);
