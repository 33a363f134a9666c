/** Options of a wrong type are refused by name. */
import { describe, expect, test } from "vitest";
import {
  defineTask,
  findTask,
  gradeRows,
  gsm8k,
  inspectTask,
  miniGsm,
  openSandbox,
  type Task,
} from "../../src/index.js";
import { promptOf } from "../../src/tasks/task.js";
import { expectRefused, wrongOptions, wrongValues } from "../fixtures/wrong-types.js";

const FUNCTIONS = ["function"] as const;

describe("a task's definition", () => {
  const definition = { name: "own", extract: () => null, parse: () => ({}) };

  test.each(
    wrongOptions({
      name: ["string"],
      extract: FUNCTIONS,
      parse: FUNCTIONS,
      answerEnd: [],
      prompt: FUNCTIONS,
      openGrader: FUNCTIONS,
      runsCode: ["boolean"],
      isWhole: ["boolean"],
      locate: FUNCTIONS,
      isCorrect: FUNCTIONS,
    }),
  )("refuses a wrong `%s`: %s", async (option, _, value) => {
    await expectRefused(option, () => defineTask({ ...definition, [option]: value } as never));
  });

  test.each(wrongValues())("is refused as a whole: %s", async (_, value) => {
    await expectRefused("", () => defineTask(value as never));
  });
});

describe("a task", () => {
  test.each(wrongOptions({ mode: [], allowCodeExecution: ["boolean"], signal: [] }))(
    "refuses a wrong `%s` of its grader: %s",
    async (option, _, value) => {
      for (const task of [miniGsm, gsm8k]) {
        await expectRefused(option, () => task.openGrader({ [option]: value } as never));
      }
    },
  );

  test.each(wrongOptions({ signal: [], onProgress: FUNCTIONS }))(
    "refuses a wrong `%s` of its loading: %s",
    async (option, _, value) => {
      await expectRefused(option, () => miniGsm.load(undefined, { [option]: value } as never));
    },
  );

  test.each([
    ...wrongValues(),
    ["a grader without `grade`", { [Symbol.asyncDispose]: async () => {} }],
    ["a grader that isn't disposable", { grade: async () => ({}) }],
  ])("refuses what isn't a grader: %s", async (_, value) => {
    const task = { ...miniGsm, openGrader: () => value } as never;
    await expectRefused("openGrader", () => inspectTask(task));
  });

  test.each([
    ...wrongValues(),
    ["no `stop`", { prompt: "1 + 1?", raw: true }],
    ["a `stop` with holes", { prompt: "1 + 1?", raw: true, stop: new Array(1) }],
    ["no `raw`", { prompt: "1 + 1?", stop: [] }],
  ])("refuses what isn't a prompt: %s", (_, value) => {
    const task = { ...miniGsm, prompt: () => value } as never;
    const item = { id: "1", prompt: "1 + 1?", gold: "2" };
    expect(() => promptOf(task, item, "chat")).toThrow(/prompt\(…\)/);
  });

  test.each(wrongValues("string"))(
    "refuses a wrong data file and a wrong name: %s",
    async (_, value) => {
      await expectRefused("file", () => miniGsm.load(value as never));
      await expectRefused("task", () => findTask(value as never));
    },
  );
});

test.each(wrongValues())("rows are graded by a grader, from a file: %s", async (kind, value) => {
  const next = (...args: unknown[]) => gradeRows(...(args as Parameters<typeof gradeRows>)).next();
  const grader = await (miniGsm satisfies Task).openGrader();
  await expectRefused("grader", () => next(value, "rows.jsonl", new Map()));
  if (kind !== "string") await expectRefused("file", () => next(grader, value, new Map()));
  await expectRefused("items", () => next(grader, "rows.jsonl", value));
});

test.each(
  wrongOptions({ timeoutMs: [], memoryMiB: [], concurrency: ["number"], os: [], signal: [] }),
)("a sandbox refuses a wrong `%s`: %s", async (option, _, value) => {
  await expectRefused(option, () => openSandbox({ [option]: value } as never));
});
