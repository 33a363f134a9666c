/** Runs side by side draw the samples that they draw one by one, whatever becomes of the others. */
import { availableParallelism } from "node:os";
import { describe, expect, test } from "vitest";
import type { Outcome } from "../../src/evaluate/draw-sample.js";
import type { DrawJob } from "../../src/evaluate/jobs.js";
import { drawLocally } from "../../src/evaluate/local-executor.js";
import { openSideBySide } from "../../src/evaluate/side-by-side.js";
import { loadModel, plan, type Result, sample } from "../../src/index.js";
import type { MethodName } from "../../src/methods/registry.js";
import { miniGsm } from "../../src/tasks/mini-gsm.js";
import type { TaskItem } from "../../src/tasks/task.js";
import { useModel } from "../fixtures/models.js";
import { usePreciseModel } from "../fixtures/precise-model.js";

const model = usePreciseModel();
const bundled = useModel();
const context = () => ({
  model: model(),
  proposal: undefined,
  task: miniGsm,
  form: "chat" as const,
  reward: undefined,
  signal: undefined,
});

const METHODS: [MethodName, DrawJob["options"]][] = [
  ["sample", { maxTokens: 64, temperature: 3 }],
  ["ets", { candidates: 3, rollouts: 2, steps: 2, maxTokens: 64, temperature: 3 }],
  ["power", { moves: 1, steps: 1, maxTokens: 48, temperature: 3 }],
];

async function jobsOf(count: number, options: DrawJob["options"] = {}, seed = 0) {
  const items = (await miniGsm.load(undefined)).slice(0, count);
  return items.flatMap((item, i) =>
    METHODS.map(([method, own]): DrawJob => {
      const key = `${method}/${item.id}`;
      return {
        key,
        item,
        name: method,
        method,
        options: { ...own, ...options },
        sample: 0,
        seed: seed + i,
      };
    }),
  );
}

async function drawAll(jobs: readonly DrawJob[], concurrency: number, signal?: AbortSignal) {
  const outcomes = new Map<string, Outcome>();
  const warnings: string[] = [];
  await drawLocally(
    {
      jobs,
      onOutcome: async (job, outcome) => {
        outcomes.set(job.key, outcome);
      },
    },
    {
      ...context(),
      concurrency,
      signal,
      onWarning: (warning) => warnings.push(warning),
    },
  );
  return { outcomes, warnings };
}

type Outcomes = Map<string, Outcome>;

/** Texts in common, which took the same tokens. */
function countSame(a: Outcomes, b: Outcomes): number {
  const same = [...a].filter(([key, outcome]) => {
    const other = b.get(key);
    if (!("drawn" in outcome) || other === undefined || !("drawn" in other)) return false;
    if (outcome.drawn.text !== other.drawn.text) return false;
    const { generated } = other.drawn.usage;
    return outcome.drawn.usage.generated === generated;
  });
  return same.length;
}

describe("runs side by side", () => {
  test("draw the samples that they draw one by one", async () => {
    const jobs = await jobsOf(8);
    const alone = await drawAll(jobs, 1);
    const together = await drawAll(jobs, 4);
    expect(together.warnings).toEqual([]);
    expect([...together.outcomes.keys()].sort()).toEqual([...alone.outcomes.keys()].sort());
    expect(countSame(alone.outcomes, together.outcomes)).toBe(24);
    // Other random numbers give other texts: the comparison can fail.
    const other = await drawAll(await jobsOf(8, {}, 100), 4);
    expect(countSame(alone.outcomes, other.outcomes)).toBeLessThan(18);
  });

  test("leave failed runs and ended budgets to themselves", async () => {
    const jobs = await jobsOf(6);
    const [tooLong, cutOff] = [jobs[3] as DrawJob, jobs[6] as DrawJob];
    const mixed = jobs.map((job) => {
      if (job === tooLong) return { ...job, options: { maxTokens: 1e6 } };
      return job === cutOff ? { ...job, options: { budget: { tokens: 5 } } } : job;
    });
    const { outcomes } = await drawAll(mixed, 4);
    expect(outcomes.get(tooLong.key)).toMatchObject({ error: { code: "ERR_CONTEXT_FULL" } });
    expect(outcomes.get(cutOff.key)).toMatchObject({ drawn: { stopReason: "budget" } });
    const alone = await drawAll(jobs, 1);
    expect(countSame(alone.outcomes, outcomes)).toBe(18 - 2);
  });

  test("of any number listen to one signal, and Node sees no leak in it", async () => {
    const seen: string[] = [];
    const note = ({ name }: Error) => seen.push(name);
    process.on("warning", note);
    try {
      await drawAll(await jobsOf(6, { maxTokens: 8 }), 16, new AbortController().signal);
      await new Promise((resolve) => setImmediate(resolve));
    } finally {
      process.off("warning", note);
    }
    expect(seen).toEqual([]);
  });

  test("end with the signal's reason, and leave the model as it was", async () => {
    const jobs = await jobsOf(30);
    const ended = new AbortController();
    const drawing = drawAll(jobs, 4, ended.signal);
    setTimeout(() => ended.abort(new Error("enough")), 100);
    await expect(drawing).rejects.toThrow("enough");
    const { outcomes } = await drawAll(jobs.slice(0, 3), 1);
    expect(outcomes.size).toBe(3);
  });

  test("cost what they cost, whatever was drawn before", async () => {
    const jobs = await jobsOf(2);
    const usages = [];
    for (let i = 0; i < 2; i++) {
      const { outcomes } = await drawAll(jobs, 1);
      usages.push([...outcomes.values()].map((one) => "drawn" in one && one.drawn.usage.prefilled));
    }
    expect(usages[1]).toEqual(usages[0]);
    for (const prefilled of usages[0] ?? []) expect(prefilled).toBeGreaterThan(0);
  });

  test("share decodes, and take what they would take by themselves", async () => {
    const jobs = await jobsOf(4);
    const prompts = jobs.flatMap(({ item, method, seed }) =>
      method === "sample" ? [{ prompt: miniGsm.prompt(item, "chat").prompt, seed }] : [],
    );
    const draw = ({ prompt, seed }: (typeof prompts)[number]): Promise<Result> =>
      sample(model(), prompt, { seed, maxTokens: 64, temperature: 3, prefixCache: false });
    const alone = [];
    for (const prompt of prompts) alone.push(await draw(prompt));
    const room = await openSideBySide(4, jobs, context());
    expect(room).toMatchObject({ concurrency: 4, limit: null });
    const together = await Promise.all(prompts.map(draw));
    const probe = await model().lease(
      (await plan(model(), "?", { method: "sample", maxTokens: 8 })).model,
    );
    const { contextDecodes } = await probe.status();
    await model().release(probe);
    await room[Symbol.asyncDispose]();
    const decodes = (results: readonly Result[]) =>
      results.reduce((sum, { usage }) => sum + usage.decodes, 0);
    expect(contextDecodes).toBeLessThan(decodes(alone) * 0.75);
    for (const [i, { text, usage }] of together.entries()) {
      expect(text).toBe(alone[i]?.text);
      const { prefilled, generated, decoded, decodes: own } = (alone[i] as Result).usage;
      expect(usage).toMatchObject({ prefilled, generated, decoded });
      // Prompts that fill a batch together have equal parts of it, so that one may take part in more.
      expect(usage.decodes).toBeGreaterThanOrEqual(own);
      expect(usage.decodes).toBeLessThan(own + prompts.length);
    }
  });

  test("with and without ETS-IS share one, where attention is our own", async ({ skip }) => {
    if (!model().freeMemory().sharesAttention || availableParallelism() < 2) skip();
    const [item] = await miniGsm.load(undefined);
    const guided = { maxTokens: 16, blockTokens: 8, candidates: 2 };
    const runs: [MethodName, DrawJob["options"]][] = [
      ["sample", { maxTokens: 16 }],
      ["ets-is", guided],
    ];
    const jobs = runs.map(([method, options]): DrawJob => {
      return {
        key: method,
        item: item as TaskItem,
        name: method,
        method,
        options,
        sample: 0,
        seed: 0,
      };
    });
    await using proposal = await loadModel("mini-gsm-proposal", { gpu: false });
    await using _ = await openSideBySide(2, jobs, { ...context(), model: bundled(), proposal });
    const { usage } = await sample(bundled(), "?", { maxTokens: 16 });
    const scored = await plan(bundled(), "?", {
      ...guided,
      method: "ets-is" as const,
      proposal,
    });
    expect(scored.model).toMatchObject({ anyAttention: false, flashAttention: "shared" });
    const partition = await bundled().lease(scored.model);
    const { contextDecodes } = await partition.status();
    await bundled().release(partition);
    expect(contextDecodes).toBe(usage.decodes);
  });

  test("are as many as a context holds", async () => {
    const jobs = await jobsOf(8, { candidates: 16, rollouts: 8 });
    await using room = await openSideBySide(24, jobs, context());
    expect(room.concurrency).toBeLessThan(24);
    expect(room.concurrency).toBeGreaterThan(1);
    expect(room.limit).toBe("a context holds 256 texts");
  });
});
