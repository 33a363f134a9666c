/** Machines without a home, room, or the right to write: a named error soon, or an answer all the same. */
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { cli, scratch, scratchFile, startCli } from "../fixtures/cli-process.js";
import { lastLineOf } from "../fixtures/fuzz-api.js";

const DATA = scratchFile(
  "data.jsonl",
  JSON.stringify({
    task_id: "Own/1",
    prompt: "def f(x):\n",
    entry_point: "f",
    canonical_solution: "    return x\n",
    test: "def check(f):\n    assert f(1) == 1\n",
  }),
);
const ROWS = scratchFile("rows.jsonl", '{"task_id":"Own/1","completion":"    return x\\n"}');
const GRADE = ["grade", "humaneval", ROWS, "--data", DATA, "--allow-code-execution"];
const ASK = ["ask", "What is 2 + 3?", "-M", "2", "-K", "1"];
const CAN_MOUNT = spawnSync("unshare", ["--mount", "true"]).status === 0;
/** A user id that the system has no entry of, as containers have it. */
const NOBODY = ["setpriv", "--reuid", "54321", "--clear-groups", "env", "-u", "HOME"];
const READ_THIS = [process.execPath, "-e", "fs.readFileSync(process.argv[1])"];
const CAN_BE_NOBODY =
  spawnSync(NOBODY[0] as string, [...NOBODY.slice(1), ...READ_THIS, import.meta.filename])
    .status === 0;
const HAS_PROC = process.platform === "linux";

/** Runs what follows with a small file system of its own on the cache's directory. */
function mounted(name: string, options: string) {
  const directory = scratch(name);
  mkdirSync(directory);
  const mount = `mount -t tmpfs -o ${options} tmpfs "$0" && exec "$@"`;
  const through = ["unshare", "--mount", "bash", "-c", mount, directory];
  return { through, env: { XDG_CACHE_HOME: directory } };
}

type Machine = () => Parameters<typeof cli>[1];
const machines: [string, boolean, RegExp, Machine][] = [
  ["HOME=/proc", HAS_PROC, /ENOENT/, () => ({ env: { HOME: "/proc", XDG_CACHE_HOME: "" } })],
  ["HOME is a file", true, /ENOTDIR/, () => ({ env: { HOME: ROWS, XDG_CACHE_HOME: "" } })],
  [
    "no home directory",
    CAN_BE_NOBODY,
    /no home directory of this user/,
    () => ({ through: NOBODY, env: { XDG_CACHE_HOME: "" } }),
  ],
  [
    "a HOME of another user's",
    CAN_BE_NOBODY,
    /EACCES/,
    () => ({ through: [...NOBODY.slice(0, 4), "env", "HOME=/"], env: { XDG_CACHE_HOME: "" } }),
  ],
  ["a read-only cache", CAN_MOUNT, /EROFS/, () => mounted("read-only", "ro,size=64k")],
  ["a full disk", CAN_MOUNT, /ENOSPC/, () => mounted("full", "size=1m")],
];

describe.each(machines)("%s", (_, isPossible, why, machine) => {
  test.runIf(isPossible)("programs are refused by name, and answers are drawn", async () => {
    const options = machine();
    const refused = await cli(GRADE, options);
    expect(refused.stderr).toMatch(why);
    expect(refused.stderr).toMatch(/\(ERR_WRITE\)\nTry: set (XDG_CACHE_HOME|HOME)/);
    expect(refused.code).toBe(1);
    const answered = await cli(ASK, options);
    expect(answered.code, answered.stderr).toBe(0);
  });
});

test("a TMPDIR that isn't there hinders neither", async () => {
  const env = { TMPDIR: "/nonexistent/tmp" };
  expect((await cli(ASK, { env })).code).toBe(0);
  const graded = await cli(GRADE, { env });
  expect(graded.stdout, graded.stderr).toContain('"result":"pass"');
});

describe.skipIf(process.platform === "win32")("without descriptors of files left", () => {
  test("a command that can't even be read says what to do", async () => {
    const through = ["bash", "-c", 'ulimit -n 48; exec "$0" "$@"'];
    const { code, stderr } = await cli(ASK, { through });
    expect(stderr).toMatch(
      /^error This process may open no more files: .* \(EMFILE\)\nTry: ulimit/,
    );
    expect(code).toBe(1);
  });

  test("what runs goes on, what can't begin rejects, and works once there are some", async () => {
    const outcomes = await lastLineOf("no-descriptors.mjs");
    expect(outcomes).toEqual({
      sample: ["value", "value", "value"],
      evaluate: ["value", "ERR_INVALID_DATA", "value"],
      load: ["value", "ERR_MODEL_NOT_FOUND", "value"],
      isolated: ["value", "ERR_ENGINE_CRASHED", "value"],
      sandbox: ["value", "ERR_SANDBOX", "value"],
    });
  });
});

test.runIf(HAS_PROC)(
  "a limit of address space leaves Node no HTTP client, which `serve` can spare",
  async () => {
    const through = ["sh", "-c", 'ulimit -v 3000000; exec "$0" "$@"'];
    const args = ["serve", "-m", "mini-gsm-ref", "--no-isolate", "--port", "0"];
    const server = startCli(args, { through });
    await server.says("Serving mini-gsm-ref at http://");
    server.child.kill("SIGINT");
    await server.finished;
  },
);
