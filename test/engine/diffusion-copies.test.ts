/** A diffusion model is mapped from its file, and read into memory once keys and values are kept. */
import { readFileSync } from "node:fs";
import { afterEach, describe, expect, test, vi } from "vitest";
import { DiffusionContext } from "../../src/engine/local/diffusion-context.js";
import { loadModel } from "../../src/engine/local/load-model.js";
import type { LocalModel } from "../../src/engine/local/model.js";
import { addon } from "../../src/engine/local/native.js";
import { majority } from "../../src/methods/majority.js";
import { plan } from "../../src/methods/plan.js";
import { logProbsOf, openDream, requestFor, tokensOf, useDream } from "../fixtures/dream.js";
import { QUESTION } from "../fixtures/models.js";

const dreams = useDream();
const load = async () => (await loadModel("mini-gsm-llada", { gpu: false })) as LocalModel;
const SIZE = { length: 40, texts: 1 };
const RUN = { candidates: 2, maxTokens: 32, seed: 1 };

/** The loads of models from now on: whether each is one that keeps keys and values. */
function watchLoads(): () => boolean[] {
  const spy = vi.spyOn(addon(), "loadModel");
  return () => spy.mock.calls.map(([{ cachesDiffusion }]) => cachesDiffusion);
}

/** As if llama.cpp's state had another layout. */
function pretendUnknownState() {
  const open = DiffusionContext.open.bind(DiffusionContext);
  vi.spyOn(DiffusionContext, "open").mockImplementation((model, options) =>
    open(model, { ...options, knowsState: false }),
  );
}

afterEach(() => vi.restoreAllMocks());

describe("a diffusion model", () => {
  test("is mapped, also under linux by the system's word", async () => {
    const loads = watchLoads();
    await using model = await load();
    expect(model.info).toMatchObject({ isMapped: true, cachingArchitecture: "llama" });
    await using _ = await model.openDenoiser(SIZE);
    expect(loads()).toEqual([false]);
    if (process.platform !== "linux") return;
    expect(readFileSync("/proc/self/maps", "utf8")).toContain(model.path);
  });

  test("is read into memory for the first context that keeps anything, and for all of them", async () => {
    const loads = watchLoads();
    await using model = await load();
    const open = (cache: "none" | "prefix" | "dual") => model.openDenoiser({ ...SIZE, cache });
    const opened = await Promise.all([open("prefix"), open("dual"), open("none")]);
    opened.push(await open("dual"));
    expect(loads()).toEqual([false, true]);
    expect(opened.map(({ cache }) => cache)).toEqual(["prefix", "dual", "none", "dual"]);
    expect(model.info.isMapped).toBe(true);
    expect(model.hasCopy).toBe(true);
  });

  test("that could not be read is asked for again by the next context", async () => {
    await using model = await load();
    const failing = vi.spyOn(addon(), "loadModel").mockImplementation(() => {
      throw Object.assign(new Error("full"), { code: "ERR_OUT_OF_MEMORY" });
    });
    const open = () => model.openDenoiser({ ...SIZE, cache: "prefix" });
    await expect(open()).rejects.toThrow("full");
    failing.mockRestore();
    await using context = await open();
    expect(context.cache).toBe("prefix");
  });

  test("is freed with its copy, also while that is being read", async () => {
    const model = await load();
    const opening = model.openDenoiser({ ...SIZE, cache: "prefix" });
    const disposing = model.dispose();
    await expect(opening).rejects.toMatchObject({ code: "ERR_DISPOSED" });
    await disposing;
  });

  test("is planned with what its copy takes, once, and not when it is there", async () => {
    await using model = await load();
    const planOf = (cache: "none" | "prefix" | "dual") =>
      plan(model, QUESTION, { ...RUN, method: "majority", diffusion: { cache } });
    const { sizeBytes } = model.info;
    const none = await planOf("none");
    expect(none.model.memory).toMatchObject({ weights: sizeBytes, copy: 0, kvCache: 0 });
    const kept = await planOf("dual");
    expect(kept.model.memory).toMatchObject({ weights: 2 * sizeBytes, copy: sizeBytes });
    expect(kept.peakBytes).toBe(kept.model.memory.total);
    expect(kept.model.memory.kvCache).toBeGreaterThan(0);
    await using _ = await model.openDenoiser({ ...SIZE, cache: "prefix" });
    const again = (await planOf("dual")).model.memory;
    expect(again).toEqual({ ...kept.model.memory, copy: 0 });
  });
});

describe("where llama.cpp's state has another layout", () => {
  test("a dual cache is a prefix cache", async () => {
    await using unknown = await openDream({ cache: "dual", knowsState: false });
    await using prefix = await openDream({ cache: "prefix" });
    await using dual = await openDream({ cache: "dual" });
    expect([unknown.cache, prefix.cache, dual.cache]).toEqual(["prefix", "prefix", "dual"]);
    expect(await dual.status()).toMatchObject({ positions: 0, decodes: 0 });
    const changes = { count: 3, remasking: "random" as const };
    const [texts, expected] = [
      await unknown.denoise(requestFor(unknown, changes)),
      await prefix.denoise(requestFor(prefix, changes)),
    ];
    expect(tokensOf(texts)).toEqual(tokensOf(expected));
    expect(logProbsOf(texts)).toEqual(logProbsOf(expected));
    const { positions } = await unknown.status();
    expect(positions).toBe((await prefix.status()).positions);
    await dual.denoise(requestFor(dual, changes));
    expect((await dual.status()).positions).toBeLessThan(positions);
  });

  test("a run says so, where it is told of warnings and in its result", async () => {
    await using model = await load();
    const run = async (cache: "prefix" | "dual") => {
      const told: string[] = [];
      const options = { ...RUN, diffusion: { cache }, onWarning: (m: string) => told.push(m) };
      const { warnings, text } = await majority(model, QUESTION, options);
      expect(warnings).toEqual(told);
      return { warnings, text };
    };
    expect((await run("dual")).warnings).toEqual([]);
    const prefix = await run("prefix");
    pretendUnknownState();
    const fallen = await run("dual");
    expect(fallen.text).toBe(prefix.text);
    expect(fallen.warnings).toHaveLength(1);
    expect(fallen.warnings[0]).toMatch(/^`cache: "dual"` is "prefix" here: llama.cpp's state has/);
    expect((await run("prefix")).warnings).toEqual([]);
  });

  test("a model that is mapped keeps nothing", async () => {
    expect(dreams().mapped.info()).toMatchObject({ isMapped: true, cachingArchitecture: "qwen2" });
    expect(dreams().dream.info()).toMatchObject({ isMapped: false, cachingArchitecture: null });
  });
});
