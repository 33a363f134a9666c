/** Runs that are ended from outside: what they leave, and what they say. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import type { Step } from "../../src/methods/step.js";
import { askJson, GUIDED, PROMPT, withoutTimes } from "../fixtures/cli-ask.js";
import { scratch, scratchFile, startCli } from "../fixtures/cli-process.js";

/** Tells on stderr when it is loaded and when it has scored a step. */
const reward = scratchFile(
  "telling.mjs",
  `console.error("loaded");
  export default {
    name: "telling",
    score({ pool }) {
      console.error("scored");
      return pool.map(() => 0);
    },
  };`,
);

/** Minutes of drawing at any speed: texts that don't end, 400 at a time. */
const LONG = [
  ...["-M", "200", "-K", "2", "--temperature", "100", "--block-tokens", "1"],
  ...["--reward", `module:${reward}`],
];
/** As long, with steps that end soon. */
const LONG_OF_SHORT_STEPS = [...LONG, "-M", "2"];

function expectWholeSteps(steps: readonly Step[], candidates: number): void {
  for (const [i, step] of steps.entries()) {
    expect(step.step).toBe(i);
    expect(step.candidates).toHaveLength(candidates);
    expect(step.weights.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 12);
  }
}

describe.each(["SIGINT", "SIGTERM"] as const)("%s", (signal) => {
  test("ends a run in the middle of drawing at once, with exit code 130", async () => {
    const run = startCli(["ask", PROMPT, ...LONG]);
    await run.says("loaded");
    await sleep(500); // into the engine
    run.child.kill(signal);
    const { code, stdout, stderr } = await run.finished;
    expect(stderr).toMatch(/^loaded\nInterrupted before the first step was done\.\n$/);
    expect(stdout).toBe("");
    expect(code).toBe(130);
  }, 20_000);

  test("keeps the steps that were done in the trace, and names it", async () => {
    const file = scratch(`${signal}.json`);
    const run = startCli(["ask", PROMPT, ...LONG_OF_SHORT_STEPS, "--trace", file]);
    await run.says("scored\nscored\nscored\n");
    run.child.kill(signal);
    const { code, stderr } = await run.finished;
    expect(code).toBe(130);
    const { format, method, stopReason, steps } = JSON.parse(readFileSync(file, "utf8"));
    expect({ format, method, stopReason }).toEqual({
      format: "llama-ets-trace/1",
      method: "ets",
      stopReason: "interrupted",
    });
    expect(steps.length).toBeGreaterThanOrEqual(2);
    expectWholeSteps(steps, 2);
    expect(stderr).toContain(
      `Interrupted after step ${steps.length}. The steps so far are in ${file}. Best text so far:\n`,
    );
  }, 20_000);
});

describe("an interrupted run", () => {
  test("with --json prints one object that says so", async () => {
    const run = startCli(["ask", PROMPT, ...LONG_OF_SHORT_STEPS, "--json"]);
    await run.says("scored\nscored\n");
    run.child.kill("SIGINT");
    const { code, stdout } = await run.finished;
    expect(code).toBe(130);
    const { stopReason, steps } = JSON.parse(stdout);
    expect(stopReason).toBe("interrupted");
    expectWholeSteps(steps, 2);
  }, 20_000);

  test("whose trace can't be written says both, and is still an interrupted one", async () => {
    mkdirSync(scratch("removed"));
    const run = startCli(["ask", PROMPT, ...LONG_OF_SHORT_STEPS, "--trace", "removed/trace.json"]);
    await run.says("scored\nscored\n");
    rmdirSync(scratch("removed"));
    run.child.kill("SIGINT");
    const { code, stderr } = await run.finished;
    expect(stderr).toContain("(ERR_WRITE)");
    expect(stderr).toMatch(/Interrupted after step \d+\. Best text so far:/);
    expect(stderr).not.toContain("The steps so far are in");
    expect(code).toBe(130);
  }, 20_000);
});

describe("a killed run", () => {
  test("leaves nothing behind, and nothing broken for the next", async () => {
    const before = {
      answer: withoutTimes(await askJson(GUIDED)),
      files: readdirSync(scratch(".")),
    };
    const run = startCli(["ask", PROMPT, ...LONG, "--trace", scratch("killed.json")]);
    await run.says("loaded");
    await sleep(500);
    run.child.kill("SIGKILL");
    expect((await run.finished).signal).toBe("SIGKILL");
    expect(readdirSync(scratch("."))).toEqual(before.files);
    expect(existsSync(scratch("killed.json"))).toBe(false);
    expect(withoutTimes(await askJson(GUIDED))).toEqual(before.answer);
  }, 20_000);
});

describe("a reader that leaves early", () => {
  const leave = async (args: readonly string[]) => {
    const run = startCli(args);
    run.child.stdout?.destroy();
    const { code, stderr } = await run.finished;
    expect(stderr).toBe("");
    expect(code).toBe(0);
  };
  test.each([
    [["ask", PROMPT, "--json", "-M", "60"]], // more than a pipe holds
    [["ask", PROMPT]],
  ])("is no error for %j", leave);
  // None of these draws: two at once are safe.
  test.concurrent.each([[["models"]], [["ask", "--help"]], [["--version"]]])(
    "is no error for %j",
    leave,
  );

  test("still leaves a whole trace", async () => {
    const file = scratch("unread.json");
    const run = startCli(["ask", PROMPT, "--json", "--trace", file, ...GUIDED]);
    run.child.stdout?.destroy();
    expect((await run.finished).code).toBe(0);
    expect(JSON.parse(readFileSync(file, "utf8")).steps.length).toBeGreaterThan(1);
  });

  test("is no error on standard error either", async () => {
    const run = startCli(["ask", "--unknown"]);
    run.child.stderr?.destroy();
    expect((await run.finished).code).toBe(2);
  });
});
