/** All attacks under each isolation that this machine has, and HumanEval's own solutions. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { detectIsolation } from "../../src/sandbox/isolation.js";
import { Sandbox } from "../../src/sandbox/sandbox.js";
import { findTask } from "../../src/tasks/index.js";
import { attacks } from "../fixtures/attacks.js";
import { HONEST_PROGRAMS } from "../fixtures/honest-programs.js";
import { hasShared, readCases, shared } from "../fixtures/shared.js";
import { temporary } from "../fixtures/temporary-directory.js";

const TESTS =
  "def check(candidate):\n  assert candidate(2) == 4\n  assert not (candidate(3) != 6)\n";
const marker = temporary("escaped");
let server: Server;
let connections = 0;

beforeAll(async () => {
  process.env.LLAMA_ETS_SECRET = "not to be found";
  server = createServer((socket) => {
    connections++;
    socket.end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});
afterAll(() => {
  server.close();
});

describe.each(["bubblewrap", "unshare", "none"] as const)("attacks under %s", async (os) => {
  const isPresent = (await detectIsolation(os)).os === os;

  test.skipIf(!isPresent)("none passes, and none reaches the host", async () => {
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    await using sandbox = await Sandbox.open({ os, timeoutMs: 5000 });
    await Promise.all(
      attacks({ marker, port }).map(async ({ name, program, results }) => {
        const { result } = await sandbox.check({ program, entryPoint: "f", tests: TESTS });
        expect([name, results]).toEqual([name, expect.arrayContaining([result])]);
      }),
    );
    expect(connections).toBe(0);
    expect(existsSync(marker)).toBe(false);
  });
});

describe("honest programs", () => {
  const hasPython = spawnSync("python3", ["--version"]).status === 0;

  test("pass in the sandbox, and in a plain Python", async () => {
    await using sandbox = await Sandbox.open({ timeoutMs: 10_000 });
    for (const [name, program] of Object.entries(HONEST_PROGRAMS)) {
      const tests = "assert f(7) == 7";
      const { result } = await sandbox.check({ program, entryPoint: "f", tests });
      expect([name, result]).toEqual([name, "pass"]);
      if (!hasPython) continue;
      // A module that is imported, not the main one, which would run its own tests.
      const run =
        "import sys, types; m = sys.modules['p'] = types.ModuleType('p'); exec(sys.argv[1], vars(m))";
      const plain = spawnSync("python3", ["-c", run, `${program}\n${tests}\n`]);
      expect([name, plain.status, plain.stderr.toString().slice(-300)]).toEqual([
        name,
        0,
        expect.anything(),
      ]);
    }
  });
});

describe.skipIf(!hasShared)("HumanEval (LLAMA_ETS_SHARED)", () => {
  const data = shared("data", "humaneval/HumanEval.jsonl.gz");

  test("all 164 canonical solutions pass", async () => {
    const task = await findTask("humaneval");
    const rows = gunzipSync(readFileSync(data)).toString().trim().split("\n");
    const solutions = new Map(
      rows.map((row) => JSON.parse(row)).map((row) => [row.task_id, row.canonical_solution]),
    );
    const items = await task.load(data);
    expect(items).toHaveLength(164);
    await using grader = await task.openGrader({ allowCodeExecution: true });
    const failed = await Promise.all(
      items.map(async (item) => {
        const { result } = await grader.grade(item, solutions.get(item.id));
        return result === "pass" ? [] : [item.id, result];
      }),
    );
    expect(failed.flat()).toEqual([]);
  });

  interface Completion {
    task_id: string;
    completion: string;
    expected: string;
    also_acceptable?: string[];
    contested?: boolean;
  }

  test.each([
    ["humaneval_grading.jsonl", () => readCases<Completion>("humaneval_grading.jsonl")],
    ["humaneval_grading-2.jsonl", () => readCases<Completion>("humaneval_grading-2.jsonl")],
    ["fresh-programs.jsonl", readFreshPrograms],
  ])("every uncontested case of %s is graded as expected", async (_, read) => {
    const task = await findTask("humaneval");
    const items = new Map((await task.load(data)).map((item) => [item.id, item]));
    await using grader = await task.openGrader({ allowCodeExecution: true });
    const cases = read().filter(({ contested }) => contested !== true);
    expect(cases).not.toEqual([]);
    const misjudged = await Promise.all(
      cases.map(async ({ task_id, completion, expected, also_acceptable = [] }) => {
        const item = items.get(task_id);
        const { result } = item ? await grader.grade(item, completion) : { result: "no item" };
        return [expected, ...also_acceptable].includes(result ?? "")
          ? []
          : [{ task_id, completion, expected, result }];
      }),
    );
    expect(misjudged.flat()).toEqual([]);
  });

  /** Written down in rounds, as the fresh cases of the other tasks; docs/grading.md has the counts. */
  function readFreshPrograms(): Completion[] {
    const file = new URL("../fixtures/fresh-programs.jsonl", import.meta.url);
    return readFileSync(file, "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
  }
});
