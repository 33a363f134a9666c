/** Templates that print today's date: a run that goes on tomorrow has today's prompts. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { evaluate } from "../../src/evaluate/evaluate.js";
import type { EvaluateOptions } from "../../src/evaluate/evaluate-options.js";
import { miniGsm } from "../../src/tasks/mini-gsm.js";
import { useModel } from "../fixtures/models.js";
import { temporary } from "../fixtures/temporary-directory.js";

const model = useModel("mini-gsm-proposal");

const PLAIN = "{% for m in messages %}{{ m.content }}{% endfor %}";
const DATED = `Today is {{ strftime_now("%d %b %Y") }}. ${PLAIN}`;

const run = (out: string, chatTemplate: string, options: Partial<EvaluateOptions> = {}) =>
  evaluate(model(), miniGsm, {
    out,
    methods: ["greedy"],
    limit: 2,
    options: { maxTokens: 2, chatTemplate },
    ...options,
  });
const dateIn = (out: string) =>
  JSON.parse(readFileSync(`${out}/run.json`, "utf8")).methods[0].settings.date;

test("prompts have the day that is given, the same for every method of a run", async () => {
  const { text } = await model().encodePrompt("Hi", { chatTemplate: DATED, date: "2024-02-29" });
  expect(text).toBe("Today is 29 Feb 2024. Hi");
});

test("a resumed run has the day it was begun on, and refuses another", async () => {
  const out = temporary("dated");
  await run(out, DATED, {
    options: { maxTokens: 2, chatTemplate: DATED, date: "2020-02-03" },
    limit: 1,
  });
  const { drawn, kept } = await run(out, DATED, { resume: true });
  expect({ drawn, kept }).toEqual({ drawn: 1, kept: 1 });
  expect(dateIn(out)).toBe("2020-02-03");
  const other = { maxTokens: 2, chatTemplate: DATED, date: "2020-02-04" };
  await expect(run(out, DATED, { resume: true, options: other })).rejects.toMatchObject({
    code: "ERR_INVALID_OPTION",
    message: expect.stringMatching(/`date` of greedy is "2020-02-03"; this one's is "2020-02-04"/),
  });
});

test("a run keeps the day it is begun on where a template prints it, and only there", async () => {
  const [dated, plain] = [temporary("dated-today"), temporary("undated")];
  await run(dated, DATED, { limit: 1 });
  expect(dateIn(dated)).toMatch(/^\d{4}-\d\d-\d\d$/);
  await run(plain, PLAIN, { limit: 1 });
  expect(dateIn(plain)).toBeUndefined();
});

test.each(["2024-02-30", "24-02-03", "2024-2-3", "today", "1850-01-01", ""])(
  "%j is no day",
  async (date) => {
    await expect(model().encodePrompt("Hi", { chatTemplate: DATED, date })).rejects.toMatchObject({
      code: "ERR_INVALID_OPTION",
    });
  },
);
