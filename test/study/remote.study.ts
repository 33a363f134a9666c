/**
 * The real llama-server as the engine, and our own server, beside the local one: what docs/remote.md
 * says. Needs `npm run build:engine -- -DLLAMA_BUILD_SERVER=ON` and its directory in LLAMA_ETS_ENGINE.
 *
 *     LLAMA_ETS_ENGINE=… npm run test:study -- remote
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Model } from "../../src/engine/engine.js";
import { loadModel } from "../../src/engine/load-model.js";
import { ets } from "../../src/methods/ets.js";
import { majority } from "../../src/methods/majority.js";
import { mh } from "../../src/methods/mh.js";
import { sample } from "../../src/methods/sample.js";
import { cli, scratch, scratchFile, startCli } from "../fixtures/cli-process.js";
import { linesIn, samplesOf } from "../fixtures/killed-evaluation.js";
import { chiSquarePValue } from "../fixtures/statistics.js";

const PROGRAM = path.join(process.env.LLAMA_ETS_ENGINE ?? "", "llama-server");
const REFERENCE = fileURLToPath(new URL("../../models/mini-gsm-ref.gguf", import.meta.url));
const QUESTION = "Sam has 12 apples and eats 5. How many are left?";
const SMOL = process.env.LLAMA_ETS_REAL_MODEL;

interface Running {
  address: string;
  child: ChildProcess;
}

async function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });
}

async function begin(model: string, port: number): Promise<Running> {
  const args = ["-m", model, "--port", String(port), "-t", "1", "-tb", "1", "-np", "8"];
  const child = spawn(PROGRAM, [...args, "-c", "16384", "-ngl", "0"], { stdio: "ignore" });
  const url = `http://127.0.0.1:${port}`;
  for (let i = 0; i < 300 && child.exitCode === null; i++) {
    if (
      await fetch(`${url}/health`).then(
        ({ ok }) => ok,
        () => false,
      )
    ) {
      return { address: `${url}/v1`, child };
    }
    await sleep(100);
  }
  throw new Error("llama-server did not begin to serve");
}

async function end({ child }: Running): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.on("close", resolve));
  child.kill("SIGKILL");
  await ended;
}

describe.skipIf(!existsSync(PROGRAM))("llama-server with a bundled model", () => {
  let running: Running;
  let there: Model;
  let here: Model;
  beforeAll(async () => {
    running = await begin(REFERENCE, await freePort());
    there = await loadModel(running.address);
    here = await loadModel(REFERENCE, { threads: 1 });
  });
  afterAll(async () => {
    await there.dispose();
    await here.dispose();
    await end(running);
  });

  test("reads a chat as the same tokens", async () => {
    const asked = [
      { role: "system" as const, content: "Be brief, in any language: 你好 🙂." },
      { role: "user" as const, content: QUESTION },
      { role: "assistant" as const, content: "There are" },
    ];
    const [mine, theirs] = [await here.encodePrompt(asked), await there.encodePrompt(asked)];
    expect([...theirs.tokens]).toEqual([...mine.tokens]);
    expect(theirs.text).toBe(mine.text);
    const raw = { raw: true };
    const text = "Once upon a time\n\n<|im_end|>";
    expect([...(await there.encodePrompt(text, raw)).tokens]).toEqual([
      ...(await here.encodePrompt(text, raw)).tokens,
    ]);
    await expect(there.encodePrompt("a <|im_end|> b")).rejects.toMatchObject({
      code: "ERR_UNSUPPORTED_MODEL",
    });
  });

  test("tells the policy's log-probabilities, which are ours but for rounding", async () => {
    for (const policy of [
      { temperature: 1 },
      { temperature: 0.7 },
      { temperature: 1.5, topK: 5 },
      { temperature: 1.3, topP: 0.8, minP: 0.05 },
    ]) {
      const { steps } = await majority(there, QUESTION, {
        ...policy,
        maxTokens: 40,
        candidates: 8,
        seed: 5,
      });
      const texts = steps[0]?.candidates ?? [];
      const scored = await here.score(
        QUESTION,
        texts.map(({ tokens }) => tokens),
        policy,
      );
      for (const [i, { logProbs }] of texts.entries()) {
        for (const [t, logProb] of logProbs.entries()) {
          const own = scored[i]?.logProbs[t] as number;
          expect(Math.abs(own - logProb)).toBeLessThan(0.05);
        }
      }
    }
  });

  test("draws by the law of the local engine (χ², false alarm 1e-6), and another law is refused", async () => {
    const prompt = "Tom has";
    const policy = { temperature: 2, topK: 6 };
    const draws: (number | undefined)[] = [];
    for (let seed = 0; seed < 20; seed++) {
      const drawn = await majority(there, prompt, {
        ...policy,
        raw: true,
        maxTokens: 2,
        candidates: 64,
        seed,
      });
      for (const { tokens } of drawn.steps[0]?.candidates ?? []) draws.push(tokens[0]);
    }
    const law = async (under: object) => {
      const kinds = [...new Set(draws)] as number[];
      const scores = await here.score(
        prompt,
        kinds.map((token) => [token]),
        under,
        { raw: true },
      );
      return { kinds, law: scores.map(({ logProbs }) => Math.exp(logProbs[0] as number)) };
    };
    const right = await law(policy);
    const counts = right.kinds.map((kind) => draws.filter((one) => one === kind).length);
    expect(right.law.reduce((a, b) => a + b)).toBeCloseTo(1, 2);
    expect(chiSquarePValue(counts, right.law)).toBeGreaterThan(1e-6);
    const wrong = await law({ ...policy, temperature: 1 });
    expect(chiSquarePValue(counts, wrong.law)).toBeLessThan(1e-6);
  });

  test("draws n different texts of one request", async () => {
    const options = { temperature: 1.5, maxTokens: 24, candidates: 8, seed: 2 };
    const { steps, usage } = await majority(there, QUESTION, options);
    expect(new Set(steps[0]?.candidates.map(({ text }) => text)).size).toBeGreaterThan(4);
    expect(usage.decodes).toBe(1);
  });

  test("continues blocks from the tokens drawn, at stop strings and ends too", async () => {
    const guided = await ets(there, QUESTION, {
      candidates: 3,
      rollouts: 2,
      blockTokens: 6,
      maxTokens: 48,
      seed: 1,
    });
    expect(guided.steps.length).toBeGreaterThan(1);
    expect(guided.usage.retokenised).toBeUndefined();
    expect(there.isEndToken(guided.tokens.at(-1) as number)).toBe(guided.stopReason === "end");
    const stopped = await sample(there, QUESTION, { maxTokens: 48, stop: ["####"], seed: 1 });
    expect([stopped.stopReason, stopped.text.includes("####")]).toEqual(["stop", false]);
    const moved = await mh(there, QUESTION, {
      maxTokens: 24,
      moves: 6,
      candidates: 2,
      cuts: "uniform",
      reward: ({ text }) => text.length / 100,
    });
    expect(moved.law).toBe("target");
  });

  test("is refused what it can't do", async () => {
    await expect(there.score(QUESTION, [[1]])).rejects.toMatchObject({
      code: "ERR_UNSUPPORTED_MODEL",
    });
  });

  test("killed in mid-run is a named error, and answers again once it is back", async () => {
    const port = Number(new URL(running.address).port);
    const patient = await loadModel(running.address, { server: { retries: 1 } });
    const asked = ets(patient, QUESTION, { candidates: 16, rollouts: 16, blockTokens: 2 });
    const failed = expect(asked).rejects.toMatchObject({ code: "ERR_ENGINE_UNREACHABLE" });
    await sleep(200);
    await end(running);
    await failed;
    running = await begin(REFERENCE, port);
    expect((await sample(patient, QUESTION, { maxTokens: 8 })).tokens.length).toBeGreaterThan(0);
    await patient.dispose();
  });
});

/** Our own server with the model, as `begin` starts the other one. */
async function beginOwn(model: string, port: number): Promise<Running> {
  const args = ["serve", "-m", model, "--name", "smol", "--threads", "1", "--port", String(port)];
  const { child, says } = startCli(args);
  await says("Serving");
  return { address: `http://127.0.0.1:${port}/v1`, child };
}

/** Seconds that processes have computed for: this one, and a server's. */
function processorSeconds(server: ChildProcess | null): number {
  const { user, system } = process.cpuUsage();
  const own = (user + system) / 1e6;
  if (server?.pid === undefined) return own;
  // The fields behind the command's name, which may hold spaces; user and system time are in ticks.
  const fields = readFileSync(`/proc/${server.pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return own + (Number(fields[11]) + Number(fields[12])) / 100;
}

describe.skipIf(!existsSync(PROGRAM) || SMOL === undefined)("SmolLM2", () => {
  const file = SMOL as string;
  const SERVERS = { "llama-server": begin, "llama-ets serve": beginOwn };
  let chatTemplate = "";
  beforeAll(async () => {
    await using here = await loadModel(file, { threads: 1 });
    chatTemplate = here.metadata["tokenizer.chat_template"] as string;
  });

  test("is guided through servers as here: answers, tokens and processor seconds", async () => {
    const questions = [
      "What is the capital of France? Answer in one word.",
      "What is 3 + 4? Answer with a number.",
      "Name a colour of the rainbow in one word.",
    ];
    const options = { candidates: 4, rollouts: 2, blockTokens: 16, maxTokens: 32, seed: 1 };
    const rows: object[] = [];
    const ask = async (name: string, model: Model, server: ChildProcess | null, more: object) => {
      for (const question of questions) {
        const [started, before] = [performance.now(), processorSeconds(server)];
        const { text, answer, usage, law } = await ets(model, question, { ...options, ...more });
        const { generated, prefilled, cached, retokenised = 0 } = usage;
        rows.push({
          name,
          text: text.slice(0, 60),
          answer,
          law,
          generated,
          prefilled,
          cached,
          retokenised,
          processor: (processorSeconds(server) - before).toFixed(1),
          wall: ((performance.now() - started) / 1000).toFixed(1),
        });
        expect(text).not.toBe("");
      }
    };
    for (const [name, start] of Object.entries(SERVERS)) {
      const running = await start(file, await freePort());
      try {
        await using there = await loadModel(running.address);
        await ask(name, there, running.child, name === "llama-server" ? {} : { chatTemplate });
      } finally {
        await end(running);
      }
    }
    await using here = await loadModel(file, { threads: 1 });
    await ask("local", here, null, {});
    console.table(rows);
  });

  test.each(Object.entries(SERVERS))(
    "an evaluation on %s that is killed goes on",
    async (_, start) => {
      const port = await freePort();
      const [out, template] = [scratch(`smol-${port}`), scratchFile("smol.jinja", chatTemplate)];
      const all = [
        ...["eval", "mini-gsm", "-m", `http://127.0.0.1:${port}/v1`, "--chat-template", template],
        ...["--methods", "ets", "-M", "2", "-K", "2", "-B", "8", "--limit", "4"],
        ...["--max-tokens", "24", "--concurrency", "1", "--out", out],
      ];
      let running = await start(file, port);
      try {
        const drawing = cli(all);
        await expect
          .poll(() => linesIn(out), { timeout: 300_000, interval: 20 })
          .toBeGreaterThan(0);
        await end(running);
        const { code, stderr } = await drawing;
        expect([code, stderr]).toEqual([1, expect.stringContaining("ERR_ENGINE_UNREACHABLE")]);
        expect(linesIn(out)).toBeLessThan(4);
        running = await start(file, port);
        expect((await cli([...all, "--resume"])).code).toBe(0);
        expect((await samplesOf(out)).size).toBe(4);
      } finally {
        await end(running);
      }
    },
  );
});
