/** A context's engine thread ends with it, however it ends. */
import { spawnSync } from "node:child_process";
import { chmodSync, readdirSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { loadModel } from "../../src/engine/local/load-model.js";
import { addon } from "../../src/engine/local/native.js";
import type { NativeContext } from "../../src/engine/local/native-context.js";
import type { NativeModel } from "../../src/engine/local/native-model.js";
import { openEngine } from "../../src/engine/local/open-engine.js";
import { encodeGguf } from "../fixtures/gguf-writer.js";
import { childPackage } from "../fixtures/load-in-child.js";
import { runChild } from "../fixtures/package-copy.js";
import { PLAIN } from "../fixtures/sampling.js";
import { temporary, temporaryFile } from "../fixtures/temporary-directory.js";
import { tinyBert } from "../fixtures/tiny-models.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const MODEL = fileURLToPath(new URL("../../models/mini-gsm-proposal.gguf", import.meta.url));
const DIFFUSION_MODEL = fileURLToPath(new URL("../../models/mini-gsm-llada.gguf", import.meta.url));
const TOKENS = Int32Array.of(10, 20, 30);

let model: NativeModel;
let diffusionModel: NativeModel;
const load = (file: string) =>
  addon().loadModel({ path: file, gpuLayers: 0, cachesDiffusion: true, onProgress() {} }).promise;
beforeAll(async () => {
  await openEngine(false);
  model = await load(MODEL);
  diffusionModel = await load(DIFFUSION_MODEL);
});

/** Opens a context; the sizes of some differ. */
async function open(size = 0): Promise<NativeContext> {
  const context = new (addon().Context)();
  await context.open(model, {
    cells: 64 + 32 * (size % 7),
    maxSequences: 2 + (size % 5),
    flashAttention: 0,
    batchSize: 32,
    maxOutputs: 16,
    threads: 1,
  });
  return context;
}

/** Uses it, so that the engine has made what it makes when it decodes. */
async function prefill(context: NativeContext): Promise<void> {
  await context.prefill([{ sequence: await context.create(), tokens: TOKENS }]);
}

describe.runIf(process.platform === "linux")("the process has as many threads as before", () => {
  const threadsNow = () => readdirSync("/proc/self/task").length;

  test("at once when a context is closed, over 200 of many sizes", async () => {
    const before = threadsNow();
    for (let i = 0; i < 200; i++) {
      const context = await open(i);
      expect(threadsNow()).toBe(before + 1);
      await prefill(context);
      await context.close();
      expect(threadsNow()).toBe(before);
    }
  });

  test("at once when the context of a diffusion model is closed", async () => {
    const before = threadsNow();
    const context = new (addon().DiffusionContext)();
    await context.open(diffusionModel, {
      length: 32,
      texts: 1,
      cache: "none",
      singlePrecision: false,
      knowsState: true,
      guidance: false,
      batchTokens: 32,
      threads: 1,
    });
    const [mask] = TOKENS;
    const states = [{ tokens: Int32Array.of(mask as number), targets: TOKENS.slice(0, 1) }];
    await context.score({ prompt: TOKENS, states, sampling: PLAIN, cfgScale: 0 });
    expect(threadsNow()).toBe(before + 1);
    await context.close();
    expect(threadsNow()).toBe(before);
  });

  test("when the last of a context's partitions is closed, in whatever order", async () => {
    const before = threadsNow();
    for (const order of [
      [0, 1, 2],
      [2, 1, 0],
      [1, 0, 2],
    ]) {
      const all = [await open(4)];
      for (let i = 0; i < 2; i++) {
        const part = new (addon().Context)();
        await part.openPartition(all[0] as NativeContext, {
          cells: 8,
          maxSequences: 1,
          maxOutputs: 1,
        });
        await prefill(part);
        all.push(part);
      }
      expect(threadsNow()).toBe(before + 1);
      await Promise.all(order.map((i) => (all[i] as NativeContext).close()));
      expect(threadsNow()).toBe(before);
    }
  });

  test("when a context could not be opened", async () => {
    const cacheless = await load(temporaryFile("bert.gguf", encodeGguf(tinyBert())));
    const before = threadsNow();
    for (let i = 0; i < 20; i++) {
      const context = new (addon().Context)();
      const opening = context.open(cacheless, {
        cells: 64,
        maxSequences: 2,
        batchSize: 32,
        maxOutputs: 16,
        flashAttention: 0,
        threads: 1,
      });
      await expect(opening).rejects.toMatchObject({ code: "ERR_UNSUPPORTED_MODEL" });
    }
    await until(() => threadsNow() === before);
    cacheless.close();
  });

  test("when contexts are collected that were not closed, whatever they were doing", async () => {
    const collect = (globalThis as { gc?: () => void }).gc;
    expect(collect, "run with --expose-gc").toBeDefined();
    const before = threadsNow();
    for (let i = 0; i < 10; i++) {
      await (async () => {
        const context = await open(i);
        void prefill(context);
        const part = new (addon().Context)();
        void part.openPartition(context, { cells: 8, maxSequences: 1, maxOutputs: 1 });
      })();
    }
    expect(threadsNow()).toBe(before + 10);
    await until(() => {
      collect?.();
      return threadsNow() === before;
    });
  });

  test("when a model is disposed of, after runs of many sizes", async () => {
    const whole = await loadModel(MODEL, { gpu: false, threads: 1 });
    const before = threadsNow();
    for (let i = 0; i < 12; i++) {
      const leased = [
        await whole.lease({ cells: 64 + i, sequences: 2 }),
        await whole.lease({ cells: 80, sequences: 2 + (i % 2) }),
      ];
      for (const context of leased) await whole.release(context);
      expect(threadsNow()).toBe(before + 1); // one is kept for the next run
    }
    await whole.dispose();
    expect(threadsNow()).toBe(before);
  });
});

describe("the process ends well", () => {
  // test/reliability has all ways.
  test.each([[], ["worker"]])("while contexts decode: %j", async (...mode) => {
    for (let i = 0; i < 2; i++) {
      const finished = await runChild("end-in-mid-run.mjs", childPackage(), [MODEL, ...mode]);
      expect(finished).toMatchObject({ code: 0, signal: null, stderr: "" });
      expect(finished.stdout).toBe(mode.length > 0 ? "terminated\n" : "");
    }
  });

  // The promises of short calls settle while a thread is being ended.
  test("when threads are terminated in mid-run", () => {
    const mode = "threads that run are terminated";
    const script = fileURLToPath(new URL("../fixtures/exits.mjs", import.meta.url));
    const ended = spawnSync(process.execPath, [script, ROOT, mode], { encoding: "utf8" });
    expect(ended).toMatchObject({ status: 0, signal: null, stderr: "" });
  });

  const cause = whyNoThreadLimit();
  test.skipIf(cause !== undefined)(
    `after the system granted no more threads${cause === undefined ? "" : ` (${cause})`}`,
    () => {
      const finished = withThreadLimit(60, ["use-up-threads.mjs", childPackage(), MODEL]);
      expect(finished).toMatchObject({ status: 0, signal: null });
      const { code, contexts } = JSON.parse(finished.stdout) as { code: string; contexts: number };
      expect(code).toBe("ERR_ENGINE_FAILED");
      expect(contexts).toBeGreaterThan(20);
    },
  );
});

/** Waits up to ten seconds. */
async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !condition(); i++) await wait(20);
  expect(condition()).toBe(true);
}

/** Why no limit on threads can be set here, which binds no privileged user. */
function whyNoThreadLimit(): string | undefined {
  if (process.platform !== "linux") return "only on Linux";
  if (process.env.LLAMA_ETS_TEST_SANITIZED === "thread")
    return "ThreadSanitizer needs threads itself";
  if (process.getuid?.() !== 0) return "only as root, which can become a user without threads";
  chmodSync(temporary("."), 0o755); // another user reads the package there
  const tried = withThreadLimit(60, ["-e", "require('fs').readFileSync(process.argv[1])", MODEL]);
  return tried.status === 0 ? undefined : "another user can't read the model";
}

/** Runs node, on a script of the fixtures, as a user that may have so many threads. */
function withThreadLimit(threads: number, [script = "", ...args]: string[]) {
  const file = script.startsWith("-")
    ? script
    : fileURLToPath(new URL(`../fixtures/${script}`, import.meta.url));
  return spawnSync(
    "bash",
    ["-c", `ulimit -u ${threads}; exec "$@"`, "bash", process.execPath, file, ...args],
    { uid: 65_534, gid: 65_534, encoding: "utf8", env: { ...process.env, HOME: "/nonexistent" } },
  );
}
