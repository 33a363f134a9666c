import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { builtEngine } from "../lib/built-engine.mjs";
import { median } from "../lib/statistics.mjs";

const CLI = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const TOKENS = 64;
/** The number of consecutive requests of each client. */
const EACH = 2;
/** The system message of about 150 tokens that all requests share. */
const SYSTEM = `You answer questions about animals in full sentences. ${"Say what the animal eats, where it lives, how it raises its young, and what people have thought of it. ".repeat(6)}`;
const ANIMALS = ["otter", "heron", "badger", "lynx", "crane", "beaver", "owl", "stork"];

/**
 * Compares `llama-ets serve` with llama-server of the same source, with the same model, threads and requests,
 * for 1, 4 and 16 concurrent clients. Each request is a chat with the shared system message and its own
 * question, sampled without top-k, top-p or min-p. The servers run in turn, each alone.
 */
export async function server({ quick, threads, engine, models, rounds, counts }) {
  const [model = "mini-gsm-ref"] = models ?? [];
  const theirs = llamaServer(engine);
  const clients = counts ?? (quick ? [2] : [1, 4, 16]);
  const options = { threads: threads ?? 1, slots: Math.max(...clients), model };
  const results = clients.map((count) => ({ count, ours: [], theirs: [] }));
  for (let round = 0; round < (rounds ?? (quick ? 1 : 3)); round++) {
    for (const [name, start] of [
      ["ours", () => startOurs(options)],
      ["theirs", () => startTheirs(theirs, options)],
    ]) {
      const running = await start();
      try {
        await load(running.url, 1, round, 8); // a warm-up for what is loaded or read only once
        for (const result of results) {
          result[name].push(await load(running.url, result.count, round, quick ? 8 : TOKENS));
        }
      } finally {
        await running.stop();
      }
    }
  }
  const middle = (measured, of) => median(measured.map(of));
  const rate = ({ tokens, seconds }) => tokens / seconds;
  const ratioOf = (result) => middle(result.ours, rate) / middle(result.theirs, rate);
  const busiest = results.at(-1);
  return {
    title: "Server: `llama-ets serve` against llama-server",
    ratio: ratioOf(busiest),
    ours: middle(busiest.ours, rate),
    theirs: middle(busiest.theirs, rate),
    unit: `tokens/s, ${busiest.count} clients`,
    note: `${path.basename(model)}, ${options.threads} thread each; up to ${TOKENS} tokens a request, ${EACH} requests a client; medians of ${busiest.ours.length} runs of each, in turn. The first token's time is the median of all requests.`,
    columns: ["clients", "server", "requests/s", "tokens/s", "first token, ms", "ratio"],
    rows: results.flatMap((result) =>
      ["ours", "theirs"].map((name) => [
        String(result.count),
        name === "ours" ? "llama-ets" : "llama-server",
        middle(result[name], ({ requests, seconds }) => requests / seconds).toFixed(2),
        middle(result[name], rate).toFixed(1),
        middle(result[name], ({ first }) => first).toFixed(0),
        name === "ours" ? ratioOf(result).toFixed(2) : "",
      ]),
    ),
    details: results,
  };
}

function llamaServer(chosen) {
  const { directory } = builtEngine(chosen);
  const file = path.join(
    directory,
    process.platform === "win32" ? "llama-server.exe" : "llama-server",
  );
  if (existsSync(file)) return file;
  throw new Error(
    `No llama-server in ${directory}.\nTry: npm run build:engine -- -DLLAMA_BUILD_SERVER=ON`,
  );
}

async function startOurs({ model, threads, slots }) {
  const port = await freePort();
  const args = [CLI, "serve", "-m", model, "--threads", threads, "--port", port];
  return start(process.execPath, [...args, "--parallel", slots, "--gpu", "off"], port);
}

async function startTheirs(file, { model, threads, slots }) {
  const port = await freePort();
  const weights = existsSync(model)
    ? model
    : fileURLToPath(new URL(`../../models/${model}.gguf`, import.meta.url));
  const args = ["-m", weights, "--port", port, "-t", threads, "-tb", threads];
  return start(file, [...args, "-np", slots, "-c", slots * 1024, "-ngl", 0], port);
}

async function start(command, args, port) {
  const child = spawn(command, args.map(String), { stdio: "ignore" });
  const ended = new Promise((resolve) => child.on("close", resolve));
  const stop = async () => {
    child.kill("SIGKILL");
    await ended;
  };
  const url = `http://127.0.0.1:${port}`;
  for (let i = 0; i < 600; i++) {
    const ready = await fetch(`${url}/health`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (ready) return { url, stop };
    if (child.exitCode !== null) break;
    await sleep(100);
  }
  await stop();
  throw new Error(`${command} did not begin to serve`);
}

/** Runs several concurrent clients, each of which asks one question after the other. */
async function load(url, clients, round, tokens) {
  const { data } = await (await fetch(`${url}/v1/models`)).json();
  const started = performance.now();
  const answers = await Promise.all(
    Array.from({ length: clients }, async (_, client) => {
      const own = [];
      for (let i = 0; i < EACH; i++) {
        const animal = ANIMALS[(client * EACH + i) % ANIMALS.length];
        const question = `Question ${round}.${clients}.${client}.${i}: tell me all about the ${animal}.`;
        own.push(await ask(url, { model: data[0].id, question, tokens, seed: client * EACH + i }));
      }
      return own;
    }),
  );
  const seconds = (performance.now() - started) / 1000;
  const all = answers.flat();
  return {
    seconds,
    requests: all.length,
    tokens: all.reduce((sum, answer) => sum + answer.tokens, 0),
    first: median(all.map(({ first }) => first)),
  };
}

async function ask(url, { model, question, tokens, seed }) {
  let started = performance.now();
  const send = () => {
    started = performance.now();
    return fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        model,
        seed,
        stream: true,
        stream_options: { include_usage: true },
        max_tokens: tokens,
        temperature: 0.7,
        top_p: 1,
        top_k: 0,
        min_p: 0,
        messages: [
          { role: "system", content: SYSTEM },
          { role: "user", content: question },
        ],
      }),
    });
  };
  // llama-server closes idle connections, perhaps just when a request comes, so a failed request is sent
  // again.
  const response = await send().catch(send);
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
  let first;
  let text = "";
  for await (const part of response.body.pipeThrough(new TextDecoderStream())) {
    text += part;
    if (first === undefined && /"content":\s*"[^"]/.test(text)) first = performance.now() - started;
  }
  const [, drawn] = /"completion_tokens":\s*(\d+)/.exec(text) ?? [];
  if (drawn === undefined) throw new Error(`No usage in ${text.slice(-500)}`);
  return { first: first ?? performance.now() - started, tokens: Number(drawn) };
}

function freePort() {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}
