import { once } from "node:events";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { cli, scratchFile, startCli } from "../fixtures/cli-process.js";

const MODULE = `module:${fileURLToPath(new URL("../fixtures/capitals-task.mjs", import.meta.url))}`;

// None of these loads a model: two at once are safe.
describe.concurrent("llama-ets grade", () => {
  test("prints one verdict a row, in their order, with the rows' own ids", async () => {
    const input = [
      '{"id":"a","output":"So 9 * 2 = 18.\\n#### $18.00","gold":"18"}',
      '{"id":2,"answer":"17","gold":18}',
      "",
      '{"output":"","gold":"18"}',
    ].join("\n");
    const { code, stdout } = await cli(["grade", "gsm8k", "-"], { input });
    expect(
      stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ).toEqual([
      { id: "a", extracted: "18.00", correct: true },
      { id: 2, extracted: "17", correct: false },
      { id: null, extracted: null, correct: false },
    ]);
    expect(code).toBe(0);
  });

  test("grades GPQA's choices by letter or in words, and MATH by algebra", async () => {
    const gpqa =
      '{"output":"The answer is gamma decay.","gold":"(C)","choices":["alpha","beta","gamma decay"]}';
    const first = await cli(["grade", "gpqa", "-"], { input: gpqa });
    expect(JSON.parse(first.stdout)).toEqual({ id: null, extracted: "C", correct: true });
    const math = '{"answer":"2(k+1)","gold":"2k+2"}';
    const second = await cli(["grade", "math500", "-"], { input: math });
    expect(JSON.parse(second.stdout)).toEqual({ id: null, extracted: "2(k+1)", correct: true });
  });

  test.each([
    ['{"id":1,"output":"x"}', "`gold`"],
    ['{"id":1,"gold":"x"}', "`answer`"],
    ['{"output":3,"gold":"x","choices":"A"}', "`choices`"],
    ["[1]", "JSON object"],
    ["{", "JSON"],
  ])(
    "names file, line and field of the bad row %j, after the verdicts before it",
    async (row, what) => {
      const name = `rows-${what.replaceAll(/\W/g, "")}.jsonl`;
      const file = scratchFile(name, `{"id":1,"output":"#### 3","gold":"3"}\n\n${row}\n`);
      const { code, stdout, stderr } = await cli(["grade", "gsm8k", file]);
      expect(JSON.parse(stdout)).toEqual({ id: 1, extracted: "3", correct: true });
      expect(stderr).toContain(`${file}, line 3`);
      expect(stderr).toContain(what);
      expect(code).toBe(1);
    },
  );

  test.each([
    ["grade", "gsm8k", "nowhere.jsonl"],
    ["grade", "gsm8k", "."],
    ["grade", "humaneval", "-", "--data", "nowhere.jsonl.gz", "--allow-code-execution"],
    ["eval", "gsm8k", "--data", "nowhere.jsonl", "--out", "no-data"],
  ])("a file that can't be read is an error with its name: %s %s %s", async (...args) => {
    const { code, stdout, stderr } = await cli(args);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(
      /^error (\.|nowhere\.jsonl(\.gz)?) could not be read: .*ERR_INVALID_DATA\)\nTry: .*\n$/,
    );
  });

  test("runs no program without --allow-code-execution, and says what would confine it", async () => {
    const input = '{"task_id":"HumanEval/0","completion":"    return 1"}';
    const { code, stderr, stdout } = await cli(["grade", "humaneval", "-"], { input });
    expect(code).toBe(2);
    expect(stdout).toBe("");
    expect(stderr).toMatch(/--allow-code-execution.*Pyodide/);
  });

  test("runs programs by the tests of --data", async () => {
    const item = {
      task_id: "Own/1",
      prompt: "def double(x):\n    '''Twice x.'''\n",
      entry_point: "double",
      test: "def check(candidate):\n    assert candidate(2) == 4\n",
    };
    const data = scratchFile("tasks.jsonl", JSON.stringify(item));
    const completions = [
      "    return 2 * x\n",
      "```python\ndef double(x):\n    return x + x\n```",
      "return x ** 3",
      "    open('/etc/passwd')\n    return 2 * x\n",
    ];
    const rows = completions.map((completion) => JSON.stringify({ task_id: "Own/1", completion }));
    const args = ["grade", "humaneval", "-", "--data", data, "--allow-code-execution"];
    const { code, stdout, stderr } = await cli(args, { input: rows.join("\n") });
    const results = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(results).toEqual(
      ["pass", "pass", "fail", "blocked"].map((result) => ({ id: "Own/1", result })),
    );
    expect(stderr).toContain("Programs run in Pyodide");
    expect(code).toBe(0);
  });

  test("takes a task of one's own from a module", async () => {
    const input = '{"id":"fr","output":"The capital of France is Paris.","gold":"paris"}';
    const { stdout } = await cli(["grade", MODULE, "-"], { input });
    expect(JSON.parse(stdout)).toEqual({ id: "fr", extracted: "Paris", correct: true });
    const empty = scratchFile("empty.mjs", "export default {}");
    const { code, stderr } = await cli(["grade", `module:${empty}`, "-"], { input });
    expect(code).toBe(2);
    expect(stderr).toContain("defineTask");
  });

  test("ends when its reader has gone, and at the first Ctrl-C while it waits for rows", async () => {
    const row = JSON.stringify({ output: "1", gold: "1" });
    const endless = `yes '${row}' | "$0" "$@" | head -1`;
    const read = await cli(["grade", "gsm8k", "-"], { through: ["bash", "-c", endless] });
    expect(read.stdout).toBe('{"id":null,"extracted":"1","correct":true}\n');
    const waiting = startCli(["grade", "gsm8k", "-"], { input: null });
    waiting.child.stdin?.write(`${row}\n`.repeat(20));
    await once(waiting.child.stdout as Readable, "data");
    waiting.child.kill("SIGINT");
    expect((await waiting.finished).code).toBe(130);
  });
});
