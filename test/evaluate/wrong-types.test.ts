/** Options of a wrong type are refused by name, before anything is opened, drawn or written. */
import { existsSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { openJudges } from "../../src/evaluate/open-judges.js";
import {
  compareRuns,
  type EvaluateOptions,
  evaluate,
  evaluationReport,
  type Model,
  miniGsm,
  readRun,
  readTrace,
  runReport,
  runWorker,
  type Task,
  type WorkerOptions,
} from "../../src/index.js";
import { temporary, temporaryFile } from "../fixtures/temporary-directory.js";
import { expectRefused, wrongOptions, wrongValues } from "../fixtures/wrong-types.js";

/** What the checks know a model by; whoever used it would get a TypeError. */
const model = { info: {}, [Symbol.asyncDispose]: async () => {} } as unknown as Model;
const out = temporary("run");

const NUMBERS = ["number"] as const;
const FUNCTIONS = ["function"] as const;
const TEXTS = ["string"] as const;

describe("evaluate", () => {
  const options: Record<keyof EvaluateOptions, Parameters<typeof wrongOptions>[0][string]> = {
    methods: [],
    out: TEXTS,
    resume: ["boolean"],
    data: TEXTS,
    limit: NUMBERS,
    maxFailures: NUMBERS,
    samples: NUMBERS,
    budgetTokensTotal: NUMBERS,
    seed: NUMBERS,
    mode: [],
    form: [],
    allowCodeExecution: ["boolean"],
    grader: [],
    keep: [],
    options: ["bare", "date"],
    reward: [],
    proposal: [],
    concurrency: NUMBERS,
    queue: TEXTS,
    signal: [],
    onProgress: FUNCTIONS,
    onSample: FUNCTIONS,
    onWarning: FUNCTIONS,
    onBudget: FUNCTIONS,
  };

  test.each(wrongOptions(options))("refuses a wrong `%s`: %s", async (option, _, value) => {
    const given = { methods: ["sample"], out, [option]: value } as unknown as EvaluateOptions;
    await expectRefused(option, () => evaluate(model, miniGsm, given));
    expect(existsSync(out)).toBe(false);
  });

  test.each(wrongOptions({ name: TEXTS, method: [], options: ["bare", "date"] }))(
    "refuses a wrong `%s` of a method: %s",
    async (option, _, value) => {
      const entry = { name: "own", method: "ets", [option]: value };
      const given = { methods: [entry], out } as unknown as EvaluateOptions;
      await expectRefused(option, () => evaluate(model, miniGsm, given));
    },
  );

  test.each(wrongValues())("refuses a wrong entry of `methods`: %s", async (_, value) => {
    const given = { methods: ["ets", value], out } as unknown as EvaluateOptions;
    await expectRefused("method", () => evaluate(model, miniGsm, given));
  });

  test.each(wrongValues())(
    "refuses wrong options, a wrong model, a wrong task: %s",
    async (_, value) => {
      const given: EvaluateOptions = { methods: ["sample"], out };
      await expectRefused("o", () => evaluate(model, miniGsm, value as EvaluateOptions));
      await expectRefused("model", () => evaluate(value as Model, miniGsm, given));
      await expectRefused("task", () => evaluate(model, value as Task, given));
    },
  );
});

describe("runWorker", () => {
  const options: Record<keyof WorkerOptions, Parameters<typeof wrongOptions>[0][string]> = {
    queue: [],
    proposal: [],
    task: [],
    reward: [],
    potentials: [],
    concurrency: NUMBERS,
    signal: [],
    onSample: FUNCTIONS,
    onWarning: FUNCTIONS,
    onConnection: FUNCTIONS,
  };

  test.each(wrongOptions(options))("refuses a wrong `%s`: %s", async (option, _, value) => {
    const given = { queue: "redis://localhost:1", [option]: value } as unknown as WorkerOptions;
    await expectRefused(option, () => runWorker(model, given));
  });

  test.each(wrongValues())("refuses wrong options and a wrong model: %s", async (_, value) => {
    await expectRefused("o", () => runWorker(model, value as WorkerOptions));
    await expectRefused("model", () => runWorker(value as Model, { queue: "redis://localhost:1" }));
  });
});

test.each(wrongValues())("comparisons and reports refuse %s", async (kind, value) => {
  const wrong = value as never;
  await expectRefused("directories", () => compareRuns(wrong));
  await expectRefused("compared", () => evaluationReport(wrong));
  if (["object", "bare", "date"].includes(kind)) {
    await expect(runReport(wrong)).rejects.toMatchObject({ code: "ERR_INVALID_DATA" });
  } else await expectRefused("run", () => runReport(wrong));
  if (kind === "string") return;
  await expectRefused("directories", () => compareRuns([wrong, "other"]));
  await expectRefused("directory", () => readRun(wrong));
  await expectRefused("file", () => readTrace(wrong));
});

describe("a reward from a module", () => {
  const item = { id: "1", prompt: "How many is 1 + 1?", gold: "2" };
  // A module is loaded once: each has a name of its own.
  const open = (name: string, source: string) =>
    openJudges([`module:${temporaryFile(name, source)}`], miniGsm, item, undefined);

  test("that returns no number for a right answer is refused before anything is drawn", async () => {
    const source = "export default ({ text }) => text.nowhere * 2";
    await expect(open("nowhere.mjs", source)).rejects.toMatchObject({
      code: "ERR_REWARD",
      message: expect.stringContaining("to return a finite number, got `NaN`"),
    });
  });

  test.each([
    ["waits", "export default async ({ text, item }) => text.length + item.gold.length"],
    ["throws, as it may do better later", "export default () => { throw new Error('away') }"],
  ])("that %s is none of these", async (name, source) => {
    await using judges = await open(`${name}.mjs`, source);
    expect(judges.byName.size).toBe(1);
  });
});
