/** HumanEval+ and MBPP+: rows of EvalPlus' form, downloaded from a hub on loopback, graded in the sandbox. */
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { evalPlus, humanevalPlus } from "../../src/tasks/evalplus.js";
import type { Grader, TaskItem } from "../../src/tasks/task.js";
import { FakeHub, sendFile } from "../fixtures/fake-hub.js";
import { temporary, temporaryFile } from "../fixtures/temporary-directory.js";

const DOUBLE = {
  task_id: "HumanEval/0",
  prompt: 'def double(x):\n    """Twice x."""\n',
  entry_point: "double",
  canonical_solution: "    return 2 * x\n",
  contract: "",
  base_input: [[1], [2]],
  plus_input: [[-3], [[1, 2]], [0.1]],
  atol: 0,
};
/** Infinity and an integer of 20 digits, which JavaScript's numbers have not. */
const LARGE = JSON.stringify({ ...DOUBLE, task_id: "HumanEval/1", plus_input: ["@"] }).replace(
  '"@"',
  "[12345678901234567891], [Infinity]",
);
const PAIRS = {
  task_id: "Mbpp/2",
  prompt:
    '"""\nWrite a function to find the shared elements.\nassert similar_elements((3, 4), (4, 5)) == (4,)\n"""\n',
  entry_point: "similar_elements",
  canonical_solution:
    "def similar_elements(a, b):\n    assert isinstance(a, tuple)\n    return tuple(set(a) & set(b))\n",
  base_input: [
    [
      [3, 4],
      [4, 5],
    ],
  ],
  plus_input: [
    [
      [1, 2, 3],
      [3, 2],
    ],
  ],
  atol: 0,
};
const MEAN = {
  task_id: "Mbpp/9",
  prompt: '"""\nMean.\n"""\n',
  entry_point: "mean",
  atol: 0,
  canonical_solution: "def mean(xs):\n    return sum(xs) / len(xs)\n",
  base_input: [[[0.1, 0.2, 0.3]]],
  plus_input: [[[1.5, 2.5]]],
};

let hub: FakeHub;
const graders: Grader[] = [];
const load = async (kind: "humaneval+" | "mbpp+", ...lines: string[]) => {
  const path = `/${kind}-${lines.length}.jsonl.gz`;
  hub.routes.set(path, sendFile(gzipSync(`${lines.join("\n")}\n`)));
  const task = evalPlus(kind, { url: hub.url + path, sha256: null, name: path.slice(1) });
  const grader = await task.openGrader({ allowCodeExecution: true });
  graders.push(grader);
  return { task, grader, items: await task.load() };
};

beforeAll(async () => {
  process.env.XDG_CACHE_HOME = temporary("evalplus-cache");
  hub = await FakeHub.open();
});
afterAll(async () => {
  for (const grader of graders) await grader[Symbol.asyncDispose]();
  await hub[Symbol.asyncDispose]();
});

describe("HumanEval+", () => {
  test("asks each input of a row, as the file has it", async () => {
    const { task, grader, items } = await load("humaneval+", JSON.stringify(DOUBLE), LARGE);
    const [item, large] = items as [TaskItem, TaskItem];
    expect(task.prompt(item, "chat").prompt).toContain("Complete the Python function `double`");
    const result = async (of: TaskItem, text: string) => (await grader.grade(of, text)).result;
    expect(await result(item, "```python\ndef double(x):\n    return x + x\n```")).toBe("pass");
    expect(await result(item, "    return 2 * x")).toBe("pass");
    // Right for the base inputs alone.
    expect(await result(item, "    return 2 * abs(x) if isinstance(x, int) else x + x")).toBe(
      "fail",
    );
    expect(await result(large, "    return x * 2")).toBe("pass");
    expect(await result(large, "    return int(float(x) * 2)")).toBe("fail");
  });
});

describe("MBPP+", () => {
  test("gives inputs the shapes that JSON can't tell, and judges by the task's own rule", async () => {
    const { grader, items } = await load("mbpp+", JSON.stringify(PAIRS), JSON.stringify(MEAN));
    const [pairs, mean] = items as [TaskItem, TaskItem];
    const result = async (of: TaskItem, text: string) => (await grader.grade(of, text)).result;
    const sorted = "def similar_elements(a, b):\n    return sorted(set(a) & set(b), reverse=True)";
    expect(await result(pairs, `\`\`\`python\n${sorted}\n\`\`\``)).toBe("pass");
    expect(await result(pairs, "def similar_elements(a, b):\n    return (4,)")).toBe("fail");
    expect(await result(mean, "def mean(xs):\n    return sum(x / len(xs) for x in xs)")).toBe(
      "pass",
    );
    expect(await result(mean, "def mean(xs):\n    return round(sum(xs) / len(xs), 3) + 1e-3")).toBe(
      "fail",
    );
  });
});

test.each([
  [{ entry_point: "a b" }, /line 1: expected `entry_point` to be a Python name/],
  [{ plus_input: "none" }, /line 1: expected `plus_input` to be an array/],
  [{ canonical_solution: "" }, /line 1: expected `canonical_solution` to hold text/],
])("a row with %j is refused by line", async (wrong, why) => {
  const rows = Buffer.from(JSON.stringify({ ...DOUBLE, ...wrong }));
  await expect(humanevalPlus.load(temporaryFile("wrong.jsonl", rows))).rejects.toThrow(why);
});
