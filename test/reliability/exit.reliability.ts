/** However a process or a thread ends in the middle of a run, it ends with its own exit code. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { cli, scratch, scratchFile } from "../fixtures/cli-process.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const SCRIPT = fileURLToPath(new URL("../fixtures/exits.mjs", import.meta.url));

describe("the exit code is its own", () => {
  test.each([
    ["exit", 7],
    ["throw", 1],
    ["reject", 1],
    ["without listeners", 7],
    ["exit in exit", 7],
    ["sigterm", 7],
    ["sigint", 7],
    ["exit while it loads", 7],
    ["threads that run are terminated", 0],
    ["threads that load are terminated", 0],
    ["a thread exits", 0],
    ["exit while a thread runs", 7],
    ["models are dropped", 0],
    ["models are disposed of twice, in mid-run", 0],
  ])("when it ends by: %s", (mode, status) => {
    for (let i = 0; i < 2; i++) {
      const ended = spawnSync(process.execPath, ["--expose-gc", SCRIPT, ROOT, mode], {
        encoding: "utf8",
      });
      expect(ended, ended.stderr).toMatchObject({ status, signal: null });
    }
  });
});

test("a sweep whose samples fail ends with 1, and early where so many may fail", async () => {
  const reward = scratchFile(
    "some.mjs",
    'export default ({ item }) => { if (item.id !== "mini-gsm/2") throw new Error("no"); return 1; };',
  );
  const sweep = scratchFile(
    "sweep.yaml",
    JSON.stringify({
      tasks: "mini-gsm",
      models: "mini-gsm-ref",
      reward: `module:${reward}`,
      limit: 3,
      methods: ["best-of-n", "auto"],
      options: { candidates: 2 },
      seeds: [0, 1],
    }),
  );
  const run = async (...flags: string[]) => {
    const args = ["eval", "--config", sweep, "--out", scratch(`sweep${flags.length}`), ...flags];
    const { code, stdout, stderr } = await cli([...args, "--json"]);
    return { code, stderr, results: JSON.parse(stdout) };
  };
  const whole = await run();
  expect(whole).toMatchObject({ code: 1, results: [{ failed: 8, endedEarly: false }] });
  expect(whole.results[0].settings[1]).toMatchObject({ name: "auto", all: { items: 1 } });
  expect(whole.stderr).toContain("auto is best-of-n here");
  const early = await run("--max-failures", "5");
  expect(early).toMatchObject({ code: 1, results: [{ failed: 5, endedEarly: true }] });
});
