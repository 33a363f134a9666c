/** How many runs are admitted side by side, by the threads and the memory that they take. */
import { describe, expect, test, vi } from "vitest";
import type { Model } from "../../src/engine/engine.js";
import {
  exceedCores,
  openRoom,
  type RunContexts,
  refuseUnlessTogether,
} from "../../src/planning/admission.js";
import { planTogether } from "../../src/planning/contexts.js";
import { planDenoising } from "../../src/planning/denoising.js";
import { combine } from "../../src/rewards/combine.js";
import { rewardModel } from "../../src/rewards/reward-model.js";
import { TableModel } from "../fixtures/table-engine/model.js";
import { hashedTable } from "../fixtures/table-engine/tables.js";

vi.mock("node:os", async (original) => ({
  ...(await original<typeof import("node:os")>()),
  availableParallelism: () => 4,
}));

const modelOf = (options: ConstructorParameters<typeof TableModel>[1]) =>
  new TableModel(hashedTable(0), options);

const demand = {
  promptTokens: 10,
  maxTokens: 20,
  parallel: 4,
  held: 2,
  heldTokens: 10,
  continuedTokens: 10,
  comparesLogProbs: false,
};

function run(...models: Model[]): RunContexts {
  const { contexts } = planTogether(models.map((model) => ({ model, demand })));
  return models.map((model, i) => ({ model, plan: contexts[i] as RunContexts[number]["plan"] }));
}

const admit = (asked: number, runs: readonly RunContexts[], beside: readonly Model[] = []) =>
  openRoom({ asked, runs, beside });

describe("runs of autoregressive models", () => {
  const two = modelOf({ threads: 2 });

  test("share one context, whatever its threads", async () => {
    expect(await admit(8, [run(two)])).toMatchObject({ concurrency: 8, limit: null });
  });

  test("go one by one where proposal and model have more threads than there are cores", async () => {
    expect(await admit(8, [run(two, two)])).toMatchObject({ concurrency: 8 });
    expect(await admit(8, [run(two, modelOf({ threads: 3 }))])).toMatchObject({
      concurrency: 1,
      limit: "cores: 4, threads of 2 contexts: 5",
    });
  });

  test("count the threads of the models that compute beside them", async () => {
    const [light, heavy] = [modelOf({ threads: 1 }), modelOf({ threads: 4 })];
    expect(await admit(8, [run(two)], [light])).toMatchObject({ concurrency: 8 });
    expect(await admit(8, [run(two)], [heavy])).toMatchObject({
      concurrency: 1,
      limit: "cores: 4, threads of 2 contexts: 6",
    });
    const onGpu = modelOf({ threads: 4, memory: { place: "gpu" } });
    expect(await admit(8, [run(two)], [onGpu])).toMatchObject({ concurrency: 8 });
  });

  test("are as many as a context holds texts for, and as memory has room for", async () => {
    expect(await admit(64, [run(two)])).toMatchObject({
      concurrency: Math.floor(256 / 6),
      limit: "a context holds 256 texts",
    });
    const [{ plan }] = run(two) as [RunContexts[number]];
    const bytes = (5.5 * plan.memory.kvCache) / 0.8;
    const small = modelOf({ memory: { bytes } });
    expect(await admit(64, [run(small)])).toMatchObject({ concurrency: 5, limit: "free memory" });
  });
});

describe("runs of several models", () => {
  const [{ plan }] = run(modelOf({})) as [RunContexts[number]];
  /** Each is told the same of one memory, which has room for so many runs; a context has 64 cells or more. */
  const two = (runs: number) => {
    const memory = { bytes: (runs * 64 * plan.memory.kvCache) / plan.cells / 0.8 };
    return [modelOf({ memory }), modelOf({ memory })].map(
      (model): RunContexts => [{ model, plan }],
    );
  };

  test("leave memory for as many of the others", async () => {
    const [one, other] = two(9) as [RunContexts, RunContexts];
    expect(await admit(64, [one])).toMatchObject({ concurrency: 9 });
    expect(await openRoom({ asked: 64, runs: [one], others: [other] })).toMatchObject({
      concurrency: 4,
      limit: "free memory",
    });
  });

  test("are refused where there is no room for one of each", () => {
    expect(() => refuseUnlessTogether(two(2.1))).not.toThrow();
    expect(() => refuseUnlessTogether(two(1.9))).toThrow("MiB can be used");
  });

  test("take turns where their threads are more than the cores, but for a GPU's", () => {
    const [light, heavy] = [modelOf({ threads: 2 }), modelOf({ threads: 3 })];
    expect(exceedCores([light, light])).toBe(false);
    expect(exceedCores([light, heavy])).toBe(true);
    expect(exceedCores([light, modelOf({ threads: 3, memory: { place: "gpu" } })])).toBe(false);
  });
});

describe("runs of diffusion models", () => {
  const denoising = (model: Model): RunContexts => {
    const needs = { promptTokens: 10, maxTokens: 20, texts: 4, atOnce: 1 };
    const own = { ...needs, cache: "none" as const, guidance: false };
    const [plan] = planDenoising([{ model, demand: own }]).contexts;
    return [{ model, plan: plan as RunContexts[number]["plan"] }];
  };

  test("take cores of their own, beside those of a reward's model", async () => {
    const one = modelOf({ kind: "diffusion", threads: 1 });
    expect(await admit(8, [denoising(one)])).toMatchObject({ concurrency: 4 });
    expect(await admit(8, [denoising(one)], [modelOf({ threads: 2 })])).toMatchObject({
      concurrency: 2,
      limit: "cores: 4, threads a run: 1, of what computes beside: 2",
    });
    const two = modelOf({ kind: "diffusion", threads: 2 });
    expect(await admit(8, [denoising(two)])).toMatchObject({ concurrency: 2 });
  });
});

test("runs of one diffusion model share its copy that keeps keys and values", async () => {
  const MiB = 2 ** 20;
  const memory = { weights: 0, copy: 40 * MiB, vocabulary: 0, kvCache: 2 * MiB };
  const model = modelOf({ kind: "diffusion", memory: { bytes: 60 * MiB } });
  const needs = { promptTokens: 10, maxTokens: 20, texts: 4, atOnce: 1 };
  const own = { ...needs, cache: "dual" as const, guidance: false };
  const [plan] = planDenoising([{ model, demand: own }]).contexts;
  const planned = { ...(plan as RunContexts[number]["plan"]) };
  planned.memory = { ...memory, logits: 0, compute: 0, total: 42 * MiB };
  // 48 MiB can be used: the copy, and four runs of 2 MiB.
  expect(await admit(4, [[{ model, plan: planned }]])).toMatchObject({ concurrency: 4 });
  const small = modelOf({ kind: "diffusion", memory: { bytes: 57.5 * MiB } });
  expect(await admit(4, [[{ model: small, plan: planned }]])).toMatchObject({
    concurrency: 3,
    limit: "free memory",
  });
});

describe("a reward", () => {
  const judge = Object.assign(modelOf({}), {
    info: { ...modelOf({}).info, labels: ["right", "wrong"] },
  });

  test("says which models compute it, alone or in a sum", () => {
    expect(rewardModel(judge).models).toEqual([judge]);
    const length = ({ text }: { text: string }) => text.length;
    const sum = combine([{ reward: rewardModel(judge) }, { reward: length }]);
    expect(sum.models).toEqual([judge]);
    expect(combine([{ reward: length }]).models).toEqual([]);
  });
});
