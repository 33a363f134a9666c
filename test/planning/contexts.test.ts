/** Plans of contexts: what they hold, and what doesn't fit. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { DenoiserOptions } from "../../src/engine/denoiser.js";
import type { ContextShape, FreeMemory } from "../../src/engine/engine.js";
import { bytesPerCell } from "../../src/engine/local/memory.js";
import type { ContextPlan, Demand } from "../../src/planning/context-plan.js";
import {
  mostSharing,
  type PlannedModel,
  planContexts,
  planShared,
  planTogether,
} from "../../src/planning/contexts.js";
import { useModel } from "../fixtures/models.js";

const model = useModel();
const GiB = 2 ** 30;
const free = (own: Partial<FreeMemory>): FreeMemory => ({
  place: "gpu",
  sharesAttention: false,
  bytes: 64 * GiB,
  idleBytes: 0,
  mappedBytes: 0,
  ...own,
});
const demand: Demand = {
  promptTokens: 40,
  maxTokens: 100,
  parallel: 32,
  held: 9,
  heldTokens: 8 * 25,
  continuedTokens: 75,
  comparesLogProbs: true,
};

const planOne = (own: Partial<Demand>, parallelLimit = 64, bytes = 64 * GiB): ContextPlan => {
  const request = { model: model(), demand: { ...demand, ...own }, parallelLimit };
  return planContexts([{ ...request, free: free({ bytes }) }])[0] as ContextPlan;
};

describe("a plan within a part of a shared context", () => {
  const plan = (cells: number, sequences: number, bytes = 64 * GiB) =>
    planContexts([
      {
        model: model(),
        demand,
        parallelLimit: 64,
        free: free({ bytes }),
        within: { cells, sequences },
      },
    ])[0];

  test("takes turns where it is smaller than what would run at once, whatever memory is free", () => {
    const { cells, sequences, waves } = planOne({});
    expect(plan(cells, sequences, 0)).toMatchObject({ parallel: 32, waves: 1 });
    const half = plan(Math.floor(cells / 2), sequences) as ContextPlan;
    expect(half.cells).toBeLessThanOrEqual(cells / 2);
    expect(half.waves).toBeGreaterThan(waves);
    expect(plan(cells, 12)).toMatchObject({ sequences: 12, parallel: 3, waves: 11 });
  });

  test("is refused where not even one text at a time fits", () => {
    expect(() => plan(256, 64)).toThrow(/needs \d+ cells and 10 sequences.*may take 256 and 64/);
    expect(() => plan(2 ** 20, 9)).toThrow(/it may take 1048576 and 9/);
  });

  test("is none of a run apart, which can't have the free parts of shared contexts", () => {
    const own = { bytes: 0, idleBytes: GiB, sharedIdleBytes: GiB };
    const planned = { model: { ...planningOf(model()), freeMemory: () => free(own) }, demand };
    expect(planTogether([planned]).contexts).toHaveLength(1);
    expect(() => planTogether([{ ...planned, within: "apart" }])).toThrow("0 MiB can be used");
  });
});

/** What planning asks of a model, whose methods are its prototype's. */
function planningOf(one: PlannedModel): PlannedModel {
  return {
    info: one.info,
    limits: one.limits,
    freeMemory: () => one.freeMemory(),
    memoryOf: (shape, place) => one.memoryOf(shape, place),
    memoryOfDenoiser: (options, place) => one.memoryOfDenoiser(options, place),
    checkExtends: () => one.checkExtends(),
  };
}

describe("a plan", () => {
  test("has room for the prompt, the candidates and all that runs side by side", () => {
    const { cells, sequences, parallel, waves } = planOne({});
    expect(sequences).toBe(32 + 9);
    expect(cells).toBeGreaterThanOrEqual(40 + 8 * 25 + 32 * (100 - 25));
    expect(cells % 256).toBe(0);
    expect({ parallel, waves }).toEqual({ parallel: 32, waves: 1 });
  });

  test("holds the whole text beside its candidates, however few run", () => {
    const { cells } = planOne({ parallel: 1, maxTokens: 400 });
    expect(cells).toBeGreaterThanOrEqual(40 + 400 + 7 * 25);
  });

  test("has the attention that is the faster one on a CPU", () => {
    const choiceOf = (own: Partial<Demand>, place: Partial<FreeMemory> = { place: "cpu" }) => {
      const texts = {
        held: 1,
        heldTokens: 0,
        continuedTokens: 64,
        comparesLogProbs: false,
      };
      const request = {
        model: model(),
        demand: { ...demand, ...texts, ...own },
        parallelLimit: 64,
        free: free(place),
      };
      return planContexts([request])[0]?.flashAttention;
    };
    // A long prompt that all share, and a short one.
    expect(choiceOf({ promptTokens: 400, parallel: 16 })).toBe(false);
    expect(choiceOf({ promptTokens: 400, parallel: 16 }, { place: "gpu" })).toBe("auto");
    expect(choiceOf({ promptTokens: 16, parallel: 16 })).toBe("auto");
    expect(choiceOf({ promptTokens: 400, parallel: 1 })).toBe("auto");
    // Candidates' blocks that only their own rollouts share.
    expect(choiceOf({ promptTokens: 100, parallel: 16, held: 9, heldTokens: 8 * 64 })).toBe("auto");
    expect(choiceOf({ promptTokens: 16, parallel: 16, comparesLogProbs: true })).toBe(false);
    // Attention of our own is the faster one everywhere, and scores as it decodes.
    const place = { place: "cpu" as const, sharesAttention: true };
    expect(choiceOf({ promptTokens: 400, parallel: 16 }, place)).toBe("auto");
    expect(choiceOf({ promptTokens: 400, comparesLogProbs: true }, place)).toBe("shared");
    const mustBeOwn = { ...place, mustShareAttention: true };
    expect(choiceOf({ promptTokens: 400, parallel: 16 }, mustBeOwn)).toBe("auto");
    expect(choiceOf({ promptTokens: 400, comparesLogProbs: true }, mustBeOwn)).toBe("shared");
  });

  test("has the product for one long text whose heads share no keys, unless ours is asked for", () => {
    const choiceOf = (heads: number, own: Partial<Demand>, place: Partial<FreeMemory> = {}) => {
      const { limits } = model();
      const long = {
        info: { ...model().info, heads, kvHeads: 8, contextLength: 8192 },
        limits,
        checkExtends() {},
        freeMemory: () => free({}),
        memoryOf: (shape: ContextShape) => model().memoryOf(shape),
        memoryOfDenoiser: (options: DenoiserOptions) => model().memoryOfDenoiser(options),
      };
      const texts = { parallel: 1, held: 1, heldTokens: 0, comparesLogProbs: false };
      const request = {
        model: long,
        demand: { ...demand, ...texts, promptTokens: 2048, ...own },
        free: free({ place: "cpu", sharesAttention: true, ...place }),
      };
      return planContexts([request])[0]?.flashAttention;
    };
    expect(choiceOf(8, {})).toBe(false);
    expect(choiceOf(8, { comparesLogProbs: true })).toBe(false);
    expect(choiceOf(16, {})).toBe("auto");
    expect(choiceOf(8, { promptTokens: 512 })).toBe("auto");
    expect(choiceOf(8, { parallel: 2 })).toBe("auto");
    expect(choiceOf(8, {}, { mustShareAttention: true })).toBe("auto");
    expect(choiceOf(8, { comparesLogProbs: true }, { mustShareAttention: true })).toBe("shared");
    expect(choiceOf(8, {}, { sharesAttention: false })).toBe(false);
    expect(choiceOf(16, {}, { sharesAttention: false })).toBe("auto");
  });

  test("leaves what exceeds the limit, or the engine's sequences, to waves", () => {
    expect(planOne({}, 8)).toMatchObject({ sequences: 8 + 9, parallel: 8, waves: 4 });
    const many = planOne({ parallel: 10_000 }, 10_000);
    expect(many).toMatchObject({ sequences: 256, parallel: 247, waves: 41 });
  });

  test("has a batch for the prompt, up to 512 tokens, and outputs for all sequences", () => {
    expect(planOne({ promptTokens: 5 })).toMatchObject({ batchTokens: 64, outputs: 64 });
    expect(planOne({ promptTokens: 70 })).toMatchObject({ batchTokens: 128, outputs: 64 });
    expect(planOne({ promptTokens: 5, readTokens: 200 })).toMatchObject({ batchTokens: 256 });
    const long = planOne({ maxTokens: 20, promptTokens: 450, parallel: 200 }, 200);
    expect(long).toMatchObject({ batchTokens: 512, outputs: 209 });
  });

  test("takes no more than four fifths of the free memory, and says so when not one fits", () => {
    const perCell = bytesPerCell(model());
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 300 }), (MiB, n) => {
        const bytes = MiB * 2 ** 20;
        try {
          const { memory, cells, parallel } = planOne({ parallel: n }, 250, bytes);
          expect(memory.kvCache).toBe(cells * perCell);
          expect(memory.kvCache + memory.compute).toBeLessThanOrEqual(0.8 * bytes);
          expect(parallel).toBeLessThanOrEqual(n);
        } catch (error) {
          expect(error).toMatchObject({ code: "ERR_OUT_OF_MEMORY" });
        }
      }),
      { seed: 5 },
    );
    expect(() => planOne({}, 64, 2 ** 18)).toThrowError(
      expect.objectContaining({ code: "ERR_OUT_OF_MEMORY" }),
    );
    const [few, more] = [planOne({}, 64, 5 * 2 ** 20), planOne({}, 64, 8 * 2 ** 20)];
    expect(few.parallel).toBeLessThan(more.parallel);
    expect(more.parallel).toBeLessThan(32);
  });

  test("leaves mapped weights in memory, which are the model's once", () => {
    const bytes = 30 * 2 ** 20;
    const mappedBytes = 20 * 2 ** 20;
    const place = free({ place: "cpu", bytes, mappedBytes });
    const request = { model: model(), demand, free: place };
    const needed = (plans: readonly ContextPlan[]) =>
      plans.reduce((sum, { memory: { kvCache, compute, logits } }) => {
        return sum + kvCache + compute + logits;
      }, 0);
    // A model that is its own proposal gets two contexts.
    const own = planContexts([request, request]);
    expect(needed(own)).toBeLessThanOrEqual(0.8 * (bytes - mappedBytes));
    expect(needed(own)).toBeGreaterThan(0);
    // The twin: another model's weights are in memory too, and leave nothing.
    const other = Object.create(model());
    const both = () => planContexts([request, { ...request, model: other }]);
    expect(both).toThrowError(expect.objectContaining({ code: "ERR_OUT_OF_MEMORY" }));
    expect(planContexts([{ ...request, free: free({ place: "cpu", bytes }) }])[0]?.parallel).toBe(
      planContexts([request])[0]?.parallel,
    );
  });

  test("fits the contexts of each place into that place", () => {
    const demanded = { model: model(), demand };
    const cpu = { ...demanded, free: free({ place: "cpu", bytes: 10 * 2 ** 20 }) };
    const gpu = { ...demanded, free: free({ place: "gpu", bytes: 10 * 2 ** 20 }) };
    const [alone] = planContexts([cpu]) as [ContextPlan];
    const [apart] = planContexts([cpu, gpu]) as [ContextPlan];
    const [together] = planContexts([cpu, cpu]) as [ContextPlan];
    expect(together.parallel).toBeLessThan(alone.parallel);
    expect(apart.parallel).toBeGreaterThan(together.parallel);
    const none = { ...demanded, free: free({ place: "gpu", bytes: 2 ** 18 }) };
    expect(() => planContexts([cpu, none])).toThrowError(
      expect.objectContaining({ code: "ERR_OUT_OF_MEMORY" }),
    );
  });

  test("shares the free memory between contexts in use together", () => {
    const bytes = 10 * 2 ** 20;
    const request = { model: model(), demand, parallelLimit: 64, free: free({ bytes }) };
    const alone = planContexts([request]);
    const both = planContexts([request, request]);
    const taken = both.reduce((sum, { memory }) => sum + memory.kvCache + memory.compute, 0);
    expect(taken).toBeLessThanOrEqual(0.8 * bytes);
    expect(both[0]?.parallel).toBeLessThan(alone[0]?.parallel as number);
  });

  test("refuses a prompt and text that exceed the model's context", () => {
    const { contextLength } = model().info;
    expect(() => planOne({ maxTokens: contextLength })).toThrowError(
      expect.objectContaining({ code: "ERR_CONTEXT_FULL" }),
    );
  });

  test("refuses more kept texts than the engine has sequences", () => {
    expect(() => planOne({ held: 256 })).toThrowError(
      expect.objectContaining({ code: "ERR_INVALID_OPTION" }),
    );
  });
});

describe("a plan of a context for runs side by side", () => {
  test("has for each of them what the largest plan has", () => {
    const plans = [planOne({}), planOne({ parallel: 1, held: 1, promptTokens: 300 })];
    const [many, long] = plans as [ContextPlan, ContextPlan];
    expect(mostSharing(plans, model())).toBe(6); // of 41 texts each
    const shared = planShared(model(), plans, 6, "gpu");
    expect(shared).toMatchObject({ cells: 6 * many.cells, sequences: 6 * many.sequences });
    expect(shared.batchTokens).toBe(long.batchTokens);
    expect(shared.outputs).toBeGreaterThanOrEqual(shared.sequences);
    expect(shared.batchTokens).toBeGreaterThanOrEqual(shared.outputs);
    expect(shared.memory.kvCache).toBe(6 * many.cells * bytesPerCell(model()));
    expect(shared.memory.compute).toBeGreaterThanOrEqual(many.memory.compute);
  });
});
