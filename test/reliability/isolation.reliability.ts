/** An engine in a process of its own: the same results, and whatever ends it is an error. */
import { execFileSync, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, readFileSync, renameSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadIsolated } from "../../src/engine/isolated/isolated-model.js";
import {
  ets,
  type LoadModelOptions,
  loadModel,
  type Model,
  sample,
  type TextUpdate,
} from "../../src/index.js";
import { encodeGguf, readGguf, text } from "../fixtures/gguf-writer.js";
import { QUESTION } from "../fixtures/models.js";
import { temporaryFile } from "../fixtures/temporary-directory.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const APP = fileURLToPath(new URL("../fixtures/isolated-app.mjs", import.meta.url));
const SMALL = { candidates: 3, rollouts: 2, blockTokens: 8, maxTokens: 40, seed: 7 };
/** Runs for seconds. */
const LONG = {
  candidates: 32,
  rollouts: 8,
  blockTokens: 4,
  maxTokens: 400,
  temperature: 1.5,
  shortcuts: { prefixes: false, duplicates: false, decided: false, answered: false },
};

const load = (name = "mini-gsm-ref", options: LoadModelOptions = {}) =>
  loadModel(name, { gpu: false, threads: 1, ...options });
const isolated = (name?: string) => load(name, { isolate: true });

/** The engines' processes that this process has, by their ids; zombies too. */
function engines(): number[] {
  const list = execFileSync("ps", ["-eo", "pid=,ppid=,args="], { encoding: "utf8" });
  const rows = list.split("\n").map((line) => line.trim().split(/\s+/));
  const mine = rows.filter(
    ([, parent, ...args]) =>
      Number(parent) === process.pid && /engine-process|defunct/.test(args.join(" ")),
  );
  return mine.map(([pid]) => Number(pid));
}

/** A result without its times, and what it found of free memory. */
function lasting(result: unknown): unknown {
  return JSON.parse(
    JSON.stringify(result, (key, value) => (/^(ms|freeBytes)$/.test(key) ? 0 : value)),
  );
}

describe("results are those of the engine in this process", () => {
  test("of ets, bit for bit", async () => {
    await using here = await load();
    await using there = await isolated();
    const expected = await ets(here, QUESTION, SMALL);
    expect(lasting(await ets(there, QUESTION, SMALL))).toEqual(lasting(expected));
    expect(there.describe()).toMatchObject({ engine: { kind: "isolated" }, place: "cpu" });
  });

  test("of a text that streams: pieces of it come while it is drawn, and make up the same", async () => {
    const streams = [];
    for (const isolate of [false, true]) {
      await using model = await load("mini-gsm-ref", { isolate });
      const all = Array.from({ length: model.info.vocabSize }, (_, i) => i);
      const updates: TextUpdate[] = [];
      const { text } = await sample(model, QUESTION, {
        maxTokens: 400,
        seed: 3,
        allowedTokens: all.filter((i) => !model.isEndToken(i)),
        onText: (update) => updates.push(update),
      });
      expect(updates.map(({ committed }) => committed).join("")).toBe(text);
      // Each of these but the last came before the call had ended, and none is a token's.
      expect(updates.length).toBeGreaterThan(1);
      if (isolate) expect(updates.length).toBeLessThan(200);
      streams.push(text);
    }
    expect(streams[1]).toBe(streams[0]);
  });

  test("of a guided run whose drafts are shown", async () => {
    await using model = await isolated();
    const updates: TextUpdate[] = [];
    const { text } = await ets(model, QUESTION, {
      candidates: 32,
      rollouts: 4,
      blockTokens: 64,
      maxTokens: 192,
      temperature: 1.5,
      seed: 2,
      shortcuts: LONG.shortcuts,
      onText: (update) => updates.push(update),
    });
    expect(updates.map(({ committed }) => committed).join("")).toBe(text);
    expect(updates.some(({ draft }) => draft !== "")).toBe(true);
  });

  test("of ets with a proposal, bit for bit", async () => {
    const results = [];
    for (const isolate of [false, true]) {
      await using model = await load("mini-gsm-ref", { isolate });
      await using proposal = await load("mini-gsm-proposal", { isolate });
      results.push(lasting(await ets(model, QUESTION, { ...SMALL, proposal })));
    }
    expect(results[1]).toEqual(results[0]);
  });

  test("of a diffusion model, with and without a cache", async () => {
    await using here = await load("mini-gsm-llada");
    await using there = await isolated("mini-gsm-llada");
    for (const cache of ["none", "dual"] as const) {
      const options = {
        candidates: 2,
        rollouts: 2,
        maxTokens: 32,
        seed: 1,
        diffusion: { cache },
      };
      expect(lasting(await ets(there, QUESTION, options))).toEqual(
        lasting(await ets(here, QUESTION, options)),
      );
    }
  });

  test("of scores, tokens, texts and refusals", async () => {
    await using here = await load();
    await using there = await isolated();
    const written = "1 + 2 = 3\n#### 3 é\u0000<|im_end|>\ud83d";
    for (const special of [false, true]) {
      const tokens = here.tokenize(written, { special });
      expect(there.tokenize(written, { special })).toEqual(tokens);
      expect(there.detokenize(tokens, { special })).toBe(here.detokenize(tokens, { special }));
    }
    const all = Int32Array.from({ length: here.info.vocabSize }, (_, i) => i);
    expect(there.textBytes(all, { special: true })).toEqual(here.textBytes(all, { special: true }));
    expect([...all].map((t) => there.tokenText(t))).toEqual([...all].map((t) => here.tokenText(t)));
    expect(there.specialTokens()).toEqual(here.specialTokens());
    expect(there.matchTokenizer(here)).toBe(here.matchTokenizer(here));
    const given = [Int32Array.of(5, 6, 7), Int32Array.of(9)];
    expect(await there.score(QUESTION, given)).toEqual(await here.score(QUESTION, given));
    const refused = { code: "ERR_INVALID_OPTION" };
    await expect(there.score(QUESTION, [[1e9]])).rejects.toMatchObject(refused);
    await expect(there.score(QUESTION, [])).resolves.toEqual([]);
    expect(() => there.tokenText(-1)).toThrow(/Expected `token`/);
    await expect(isolated("/nope.gguf")).rejects.toMatchObject({ code: "ERR_MODEL_NOT_FOUND" });
    await expect(load("mini-gsm-ref", { isolate: 1 as never })).rejects.toMatchObject(refused);
  });

  test("an aborted run rejects with the signal's reason, and leaves the model ready", async () => {
    await using there = await isolated();
    const controller = new AbortController();
    const running = ets(there, QUESTION, { ...LONG, signal: controller.signal });
    setTimeout(() => controller.abort(new Error("enough")), 50);
    await expect(running).rejects.toThrow("enough");
    expect((await ets(there, QUESTION, SMALL)).text).not.toBe("");
  });

  test("loading tells of its progress, and stops for what a listener throws", async () => {
    const told: number[] = [];
    const onProgress = ({ progress }: { progress: number }) => told.push(progress);
    await (await load("mini-gsm-ref", { isolate: true, onProgress })).dispose();
    expect([told[0], told.at(-1)]).toEqual([0, 1]);
    const thrown = new Error("thrown by a listener");
    const throwing = () => {
      throw thrown;
    };
    const refused = load("mini-gsm-ref", { isolate: true, onProgress: throwing });
    await expect(refused).rejects.toBe(thrown);
    expect(engines()).toEqual([]);
  });
});

describe("a process that ends", () => {
  let lives: Model;
  beforeAll(async () => {
    lives = await isolated();
  });
  afterAll(() => lives.dispose());

  test.each(["SIGKILL", "SIGABRT", "SIGSEGV"] as const)(
    "by %s rejects what runs, other models live on, and the next call starts it again",
    async (signal) => {
      const [other] = engines();
      await using model = await isolated();
      const expected = lasting((await ets(model, QUESTION, SMALL)).tokens);
      const [pid] = engines().filter((one) => one !== other);
      const elsewhere = ets(lives, QUESTION, SMALL);
      const running = ets(model, QUESTION, LONG);
      setTimeout(() => process.kill(pid as number, signal), 100);
      await expect(running).rejects.toMatchObject({
        code: "ERR_ENGINE_CRASHED",
        message: expect.stringContaining(signal),
      });
      expect((await elsewhere).text).not.toBe("");
      expect(lasting((await ets(model, QUESTION, SMALL)).tokens)).toEqual(expected);
      expect(engines()).not.toContain(pid); // not a zombie either
      expect(engines()).toHaveLength(2);
    },
  );

  test("and starts again where it was loaded, wherever the app has gone since", async () => {
    const before = process.cwd();
    const [other] = engines();
    process.chdir("models");
    await using model = await isolated("./mini-gsm-ref.gguf");
    process.chdir("..");
    const [pid] = engines().filter((one) => one !== other);
    process.kill(pid as number, "SIGKILL");
    await expect.poll(() => engines()).not.toContain(pid);
    expect(process.cwd()).toBe(before);
    expect((await sample(model, QUESTION, { maxTokens: 2, seed: 1 })).text).not.toBe("");
  });

  test("by an assertion of llama.cpp says which, also to a call that doesn't wait", async () => {
    const gguf = readGguf("models/mini-gsm-proposal.gguf");
    gguf.metadata.set("tokenizer.ggml.pre", text("whitespace"));
    const model = await isolated(temporaryFile("whitespace.gguf", encodeGguf(gguf)));
    const tokenize = (given: string) => () => model.tokenize(given);
    expect(tokenize(" ".repeat(3000))).toThrow(
      expect.objectContaining({
        code: "ERR_ENGINE_CRASHED",
        message: expect.stringMatching(/SIGABRT.*GGML_ASSERT/),
      }),
    );
    expect(model.tokenize("a")).toHaveLength(1);
    await model.dispose();
  });

  test("while it is idle is started again by a call that doesn't wait", async () => {
    const model = await isolated();
    const before = model.tokenize("1 + 1");
    const [pid] = engines().slice(-1);
    process.kill(pid as number, "SIGKILL");
    await wait(100);
    expect(model.tokenize("1 + 1")).toEqual(before); // which is kept
    expect(engines()).not.toContain(pid);
    expect(model.tokenize("1 + 1 ")).toHaveLength(before.length + 1);
    expect(engines()).toHaveLength(2);
    await model.dispose();
    await model.dispose();
    expect(() => model.tokenize("1")).toThrow(expect.objectContaining({ code: "ERR_DISPOSED" }));
    expect(engines()).toHaveLength(1);
  });

  test("and can't load its model again is asked to anew by the next call", async () => {
    const file = temporaryFile("away.gguf", readFileSync("models/mini-gsm-proposal.gguf"));
    await using model = await isolated(file);
    const before = model.tokenize("1 + 1");
    const [pid] = engines().slice(-1);
    renameSync(file, `${file}.away`);
    process.kill(pid as number, "SIGKILL");
    await wait(100);
    const missing = expect.objectContaining({ code: "ERR_MODEL_NOT_FOUND" });
    for (const _ of [1, 2]) expect(() => model.tokenize("2 + 1")).toThrow(missing);
    renameSync(`${file}.away`, file);
    expect(model.tokenize("2 + 1")).toHaveLength(before.length);
  });

  test("takes its contexts along: they are released without an error", async () => {
    const model = await isolated();
    const context = await model.lease({ cells: 64, sequences: 2 });
    const sequence = await context.create();
    const [pid] = engines().slice(-1);
    process.kill(pid as number, "SIGKILL");
    await expect(sequence.prefill(Int32Array.of(1))).rejects.toMatchObject({
      code: "ERR_ENGINE_CRASHED",
    });
    await sequence[Symbol.asyncDispose]();
    await model.release(context);
    await model.dispose();
  });
});

test("a process that never starts is given up", async () => {
  const execPath = temporaryFile("sleeping-node", "#!/bin/sh\nexec sleep 600\n");
  chmodSync(execPath, 0o755);
  const loading = loadIsolated("mini-gsm-ref", {}, { execPath, silentMs: 200 });
  await expect(loading).rejects.toMatchObject({
    code: "ERR_ENGINE_CRASHED",
    message: expect.stringContaining("no sign of life for 0.2 s"),
  });
  expect(engines()).toEqual([]);
});

test("one that is stopped is given up, also by a call that holds the event loop", async () => {
  await using model = await loadIsolated("mini-gsm-ref", {}, { silentMs: 1000 });
  const controller = new AbortController();
  const running = ets(model, QUESTION, { ...LONG, signal: controller.signal });
  await wait(50);
  process.kill(engines()[0] as number, "SIGSTOP");
  controller.abort(new Error("enough"));
  expect(() => model.tokenize("2")).toThrow(
    expect.objectContaining({
      code: "ERR_ENGINE_CRASHED",
      message: expect.stringContaining("no sign of life for 1 s"),
    }),
  );
  await expect(running).rejects.toThrow("enough");
  expect(model.tokenize("2")).toHaveLength(1); // by another process
});

describe("no engine outlives", () => {
  /** Starts the app, gives the id of its engine's process, and ends both at the end. */
  async function start(...args: string[]) {
    const app = spawn(process.execPath, [APP, ROOT, ...args], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const lines = createInterface({ input: app.stdout })[Symbol.asyncIterator]();
    const pid = Number((await lines.next()).value);
    expect(pid).toBeGreaterThan(1);
    return { app, pid, lines };
  }

  async function ends(pid: number) {
    for (let i = 0; i < 250 && !/^Z|^$/.test(stateOf(pid)); i++) await wait(20);
    expect(stateOf(pid)).toMatch(/^Z|^$/);
  }

  /** As `ps` has it: "Z" where its end was not noted; "" where there is no such process. */
  function stateOf(pid: number): string {
    try {
      return execFileSync("ps", ["-o", "stat=", "-p", `${pid}`], { encoding: "utf8" });
    } catch {
      return "";
    }
  }

  test.each(["SIGKILL", "SIGTERM", "SIGINT"] as const)("an app ended by %s", async (signal) => {
    const { app, pid } = await start();
    await wait(100);
    app.kill(signal);
    await ends(pid);
  });

  // As Electron starts utility processes.
  test("an app that was forked without standard streams", async () => {
    const app = fork(APP, [ROOT], { stdio: ["ignore", "ignore", "ignore", "ipc"] });
    const [[pid]] = (await once(app, "message")) as [number[]];
    expect(stateOf(pid as number)).toMatch(/^[^Z]/);
    app.kill("SIGKILL");
    await ends(pid as number);
  });

  test("a thread that is terminated, and none is left as a zombie of the app", async () => {
    const { app, pid, lines } = await start("worker");
    expect((await lines.next()).value).toBe("0");
    expect(stateOf(pid)).toBe("");
    expect(app.exitCode).toBe(null); // the app lives on
    app.kill("SIGKILL");
  });
});
