/** What a run's grades may rest on: a task file that changes, and grading what was drawn anew. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { questionsOfAll } from "../../src/evaluate/compare/questions.js";
import { describeReward } from "../../src/evaluate/store/describe-run.js";
import { keepQuestions, readQuestions } from "../../src/evaluate/store/questions.js";
import { readRun } from "../../src/evaluate/store/read-run.js";
import { cli, scratch, scratchFile } from "../fixtures/cli-process.js";

const DEFINE = fileURLToPath(new URL("../../dist/tasks/define-task.js", import.meta.url));

/** A task that finds the number of a sentence, and calls it right when it is of this form. */
function taskText(right: string): string {
  return `import { defineTask } from ${JSON.stringify(DEFINE)};
export default defineTask({
  name: "numbers",
  parse: (row) => ({ id: row.text("id"), prompt: row.text("ask"), gold: row.text("gold") }),
  extract: (text) => /\\d+/.exec(text)?.[0] ?? "none",
  isCorrect: (answer) => ${right},
});
`;
}

const DATA =
  '{"id":"a","ask":"Sam has 2 apples.","gold":"1"}\n{"id":"b","ask":"Ann has 3.","gold":"2"}\n';

describe("a task file that changed since the run", () => {
  const out = scratch("regraded");
  const task = scratchFile("numbers.mjs", taskText("true"));
  const data = scratchFile("numbers.jsonl", DATA);
  const args = ["eval", `module:${task}`, "--data", data, "--methods", "greedy", "--out", out];
  const samples = () =>
    readFileSync(`${out}/samples.jsonl`, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));

  test("is refused by --resume; regrade takes it, and draws nothing", async () => {
    expect((await cli(args)).code).toBe(0);
    const before = samples();
    expect(before.map(({ correct }) => correct)).toEqual([true, true]);
    const asked = new Map([
      ["a", "Sam has 2 apples."],
      ["b", "Ann has 3."],
    ]);
    // Reports have them from the directory, and load no module of it.
    expect(await questionsOfAll([await readRun(out)])).toEqual(asked);
    scratchFile("numbers.mjs", taskText("false"));
    const resumed = await cli([...args, "--resume"]);
    expect(resumed.stderr).toMatch(/task file is .*numbers\.mjs; that file has changed since/);
    expect(resumed.stderr).toContain("llama-ets regrade");
    expect(resumed.code).toBe(2);

    const { code, stdout } = await cli(["regrade", out, "--json"]);
    expect(code).toBe(0);
    const { changed, graded, summary } = JSON.parse(stdout);
    expect([graded, summary.methods.greedy.accuracy]).toEqual([2, 0]);
    expect(changed).toEqual(
      ["a", "b"].map((item) => ({
        item,
        method: "greedy",
        sample: 0,
        was: true,
        correct: false,
      })),
    );
    expect(samples().map(({ text }) => text)).toEqual(before.map(({ text }) => text));
    const again = await cli([...args, "--resume"]);
    expect(again.stdout).toContain("0 samples drawn, 2 were there");
  });

  test("leaves the run as it was where the grader fails or the data is another", async () => {
    const before = readFileSync(`${out}/samples.jsonl`, "utf8");
    scratchFile("numbers.mjs", taskText('(() => { throw new Error("broken"); })()'));
    const failed = await cli(["regrade", out]);
    expect(failed.stderr).toContain("broken");
    const other = scratchFile("other.jsonl", DATA.replace("Sam", "Tom"));
    const refused = await cli(["regrade", out, "--data", other]);
    expect(refused.stderr).toMatch(/other\.jsonl doesn't hold the items .*\(ERR_INVALID_DATA\)/);
    expect([failed.code, refused.code]).toEqual([1, 1]);
    expect(readFileSync(`${out}/samples.jsonl`, "utf8")).toBe(before);
  });
});

test("the questions of a run that is gone on with are added to those that are there", async () => {
  const directory = scratch("questions");
  mkdirSync(directory);
  expect((await readQuestions(directory)).size).toBe(0);
  await keepQuestions(directory, [{ id: "a", prompt: "?" }]);
  await keepQuestions(directory, [{ id: "b", prompt: "two\nlines" }]);
  expect([...(await readQuestions(directory))]).toEqual([
    ["a", "?"],
    ["b", "two\nlines"],
  ]);
  for (const damaged of ["{", "3\n", '{"item":3,"question":"?"}\n', "null\n"]) {
    writeFileSync(`${directory}/questions.jsonl`, damaged);
    expect((await readQuestions(directory)).size).toBe(0);
  }
});

test.each([
  ["module:missing.mjs", "there is no such file"],
  ["module:/", "it is a directory"],
  ["json-schema:/dev/zero", "it is not a regular file"],
])("the file of a reward is refused in plain words: %s", async (reward, why) => {
  await expect(describeReward(reward)).rejects.toMatchObject({
    code: "ERR_REWARD",
    message: expect.stringContaining(`could not be read: ${why}\nTry: `),
  });
});

describe("task check", () => {
  test("shows items and verdicts, and finds a grader that calls an empty text right", async () => {
    const own = scratchFile("own.mjs", taskText("true"));
    const data = scratchFile("own.jsonl", DATA);
    const { code, stdout } = await cli(["task", "check", own, "--data", data, "--json"]);
    const { items, shown, problems } = JSON.parse(stdout);
    expect([code, items, shown.length]).toEqual([1, 2, 2]);
    expect(problems).toEqual(["a", "b"].map((id) => `${id}: an empty text is graded right`));
    const wrong = scratchFile("wrong.mjs", taskText("false"));
    const said = await cli(["task", "check", `module:${wrong}`, "--data", data]);
    expect(said.stdout).toContain("a: the reference answer is graded wrong");
    expect(said.code).toBe(1);
    expect((await cli(["task", "check", "mini-gsm"])).stdout).toContain("No fault found.");
  });

  test("loads a module that imports the package by its name from anywhere", async () => {
    const text = taskText("true").replace(JSON.stringify(DEFINE), '"llama-ets"');
    const named = scratchFile("named.mjs", text);
    const data = scratchFile("named.jsonl", DATA);
    const { stdout, stderr } = await cli(["task", "check", named, "--data", data]);
    expect(stdout, stderr).toContain("numbers: 2 items");
    const required = text
      .replace(/import (\{[^}]*\}) from ("llama-ets")/, "const $1 = require($2)")
      .replace("export default", "module.exports =");
    const commonJs = scratchFile("required.cjs", required);
    const said = await cli(["task", "check", commonJs, "--data", data]);
    expect(said.stdout, said.stderr).toContain("numbers: 2 items");
  });

  test("says how to find where a module's syntax is wrong", async () => {
    const broken = scratchFile("broken.mjs", "const a = 1;\nlet b = = 2;\n");
    const { code, stderr } = await cli(["task", "check", broken]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/broken\.mjs: Unexpected token .*\nTry: `node --check ".*broken\.mjs"`/);
  });
});
