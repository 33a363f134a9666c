/** What may happen to a run directory: no room, no right to write, two writers, other settings. */
import { spawnSync } from "node:child_process";
import { appendFileSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { cli, scratch, scratchFile, startCli } from "../fixtures/cli-process.js";
import { keysIn, linesIn, samplesOf } from "../fixtures/killed-evaluation.js";

const ARGS = ["eval", "mini-gsm", "--methods", "sample", "--limit", "6"];
const MORE = ["--limit", "7", "--methods", "greedy,sample"];
const CAN_MOUNT = spawnSync("unshare", ["--mount", "true"]).status === 0;

/** Runs what follows with a file system of its own on a directory. */
function mounted(directory: string, options: string): string[] {
  mkdirSync(directory);
  const mount = `mount -t tmpfs -o ${options} tmpfs "$0" && exec "$@"`;
  return ["unshare", "--mount", "bash", "-c", mount, directory];
}

describe("a run directory", () => {
  const whole = scratch("whole");

  test("is not written twice: without --resume it is refused, with it nothing is drawn", async () => {
    expect((await cli([...ARGS, "--out", whole])).code).toBe(0);
    const before = readFileSync(`${whole}/samples.jsonl`, "utf8");
    const refused = await cli([...ARGS, "--out", whole]);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain("holds a run already");
    const resumed = await cli([...ARGS, "--out", whole, "--resume"]);
    expect(resumed.code).toBe(0);
    expect(resumed.stdout).toContain("0 samples drawn, 6 were there");
    expect(readFileSync(`${whole}/samples.jsonl`, "utf8")).toBe(before);
  });

  test("does not mix runs: other settings are refused", async () => {
    const args = [...ARGS, "--out", whole, "--resume", "--temperature", "1"];
    const { code, stderr } = await cli(args);
    expect(stderr).toMatch(/whose `sampling` of sample is .*"temperature":0\.7.* is .*:1/);
    expect(code).toBe(2);
  });

  test("grows by items and methods, without drawing what is there again", async () => {
    const { code, stdout } = await cli([...ARGS, ...MORE, "--out", whole, "--resume", "--json"]);
    expect(code).toBe(0);
    const { methods } = JSON.parse(stdout);
    expect([methods.sample.n, methods.greedy.n]).toEqual([7, 7]);
    expect(new Set(keysIn(whole)).size).toBe(14);
    expect(linesIn(whole)).toBe(14);
  });

  test("has one writer: a second process is refused, also with --resume", async () => {
    const out = scratch("shared");
    const long = ["--methods", "ets", "--limit", "1000", "-M", "64"];
    const first = startCli([...ARGS, ...long, "--out", out]);
    while (linesIn(out) === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    const second = await cli([...ARGS, ...long, "--out", out, "--resume"]);
    expect(second.stderr).toContain("(ERR_RUN_IN_USE)");
    expect(second.code).toBe(1);
    first.child.kill("SIGINT");
    const { code, stderr } = await first.finished;
    expect(code).toBe(130);
    const [, kept] = /Interrupted: (\d+) of 1000 samples are kept/.exec(stderr) ?? [];
    expect(Number(kept)).toBe(linesIn(out));
    expect(JSON.parse(readFileSync(`${out}/summary.json`, "utf8")).methods.ets.n).toBe(
      Number(kept),
    );
  });

  test("is refused where a file is in the way", async () => {
    const out = `${scratchFile("file", "")}/run`;
    const { code, stderr } = await cli([...ARGS, "--out", out]);
    expect(stderr).toMatch(/can't be kept in .*ENOTDIR.*\(ERR_WRITE\)/);
    expect(code).toBe(1);
  });

  test.skipIf(!CAN_MOUNT)("is refused on a read-only file system", async () => {
    const out = scratch("read-only");
    const { code, stderr } = await cli([...ARGS, "--out", out], {
      through: mounted(out, "ro,size=64k"),
    });
    expect(stderr).toMatch(/can't be kept in .*EROFS.*\(ERR_WRITE\)/);
    expect(code).toBe(1);
  });

  test.each([
    ["a full disk", CAN_MOUNT, "ENOSPC", (out: string) => mounted(out, "size=16k")],
    [
      "a file that may grow no more",
      process.platform !== "win32",
      "EFBIG",
      () => ["bash", "-c", 'trap "" XFSZ; ulimit -f 6; exec "$0" "$@"'],
    ],
  ])("on %s says what is kept, in whole lines", async (name, isPossible, errno, through) => {
    if (!isPossible) return;
    const out = scratch(name.replaceAll(" ", "-"));
    const copy = scratch(`${name.replaceAll(" ", "-")}-copy`);
    const many = [...ARGS, "--limit", "40", "--out", out];
    // The file system goes with the process: its samples are copied out before.
    const script = `"$@"; code=$?; cp -r ${out} ${copy}; exit $code`;
    const { code, stderr } = await cli(many, {
      through: [...through(out), "bash", "-c", script, "bash"],
    });
    expect(stderr).toContain("(ERR_WRITE)");
    expect(stderr).toContain(errno);
    expect(code).toBe(1);
    const [, kept] = /; (\d+) samples are kept in/.exec(stderr) ?? [];
    expect(Number(kept)).toBeGreaterThan(2);
    expect((await samplesOf(copy)).size).toBe(Number(kept));
    expect(readFileSync(`${copy}/samples.jsonl`, "utf8")).toMatch(/\}\n$/);
  });

  test("forgets a torn last line, and draws its sample again", async () => {
    const out = scratch("torn");
    cpSync(whole, out, { recursive: true });
    const before = await samplesOf(out);
    const lines = readFileSync(`${out}/samples.jsonl`, "utf8").split("\n");
    const torn = `${lines.slice(0, 13).join("\n")}\n${lines[13]?.slice(0, 50)}`;
    scratchFile("torn/samples.jsonl", torn);
    const { code, stdout } = await cli([...ARGS, ...MORE, "--out", out, "--resume"]);
    expect(code).toBe(0);
    expect(stdout).toContain("1 samples drawn, 13 were there");
    expect(await samplesOf(out)).toEqual(before);
  });

  test("that is damaged is refused by file, line and field", async () => {
    appendFileSync(`${whole}/samples.jsonl`, '{"key":"x"}\n');
    const { code, stderr } = await cli([...ARGS, "--out", whole, "--resume"]);
    expect(stderr).toMatch(/samples\.jsonl, line 15, `key`: .*\(ERR_INVALID_DATA\)/);
    expect(code).toBe(1);
  });
});

test.each([
  ["before run.json was written", { "samples.jsonl": "" }],
  ["before the first sample", { "samples.jsonl": "", "run.json": "{" }],
])("a directory that a kill left %s is begun anew", async (_, files) => {
  const out = scratch("killed-early");
  mkdirSync(out, { recursive: true });
  for (const [name, content] of Object.entries(files)) writeFileSync(`${out}/${name}`, content);
  const { code, stderr } = await cli([
    ...ARGS,
    "--methods",
    "greedy",
    "--limit",
    "1",
    "--out",
    out,
  ]);
  expect(code, stderr).toBe(0);
  rmSync(out, { recursive: true });
});

test("a run that fails is a failed sample, neither right nor wrong, and is tried again", async () => {
  const out = scratch("failing");
  const reward = scratchFile("failing.mjs", 'export default () => { throw new Error("broken"); };');
  const args = [...ARGS, "--methods", "sample,ets", "--reward", `module:${reward}`, "--out", out];
  const { code, stdout, stderr } = await cli([...args, "--json"]);
  expect(code, stderr).toBe(1);
  const { methods } = JSON.parse(stdout);
  expect(methods.ets).toMatchObject({ n: 0, failed: 6, accuracy: null });
  expect(methods.sample.failed).toBe(0);
  const resumed = await cli([...args, "--resume", "--max-failures", "2"]);
  expect(resumed.code).toBe(1);
  expect(resumed.stdout).toContain("2 samples drawn, 6 were there");
  expect(resumed.stdout).toContain("6 samples failed");
  expect(resumed.stderr).toContain("Ended early: 2 samples failed");
  const failed = [...(await samplesOf(out)).values()].filter((sample) => "error" in sample);
  expect(failed).toHaveLength(6);
  expect(failed[0]).toMatchObject({ error: { code: "ERR_REWARD" } });
});
