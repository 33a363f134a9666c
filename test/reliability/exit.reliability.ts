/** However a process or a thread ends in the middle of a run, it ends with its own exit code. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

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
