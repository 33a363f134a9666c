import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { Interpreter } from "../../src/sandbox/interpreter.js";
import { detectIsolation } from "../../src/sandbox/isolation.js";
import { Sandbox } from "../../src/sandbox/sandbox.js";
import { snapshotFile } from "../../src/sandbox/snapshot.js";
import { attacks, GARBLED_ANSWERS, garbling } from "../fixtures/attacks.js";
import { HONEST_PROGRAMS, QUICK_HONEST } from "../fixtures/honest-programs.js";
import { temporary } from "../fixtures/temporary-directory.js";

const TESTS =
  "def check(candidate):\n  assert candidate(2) == 4\n  assert not (candidate(3) != 6)\n";
/** The rest are in the study: `npm run test:study`. */
const QUICK = [
  "reads a file, and hides its failure",
  "connects a socket",
  "starts a process",
  "runs JavaScript",
  "never ends in C",
  "fills the memory",
  "exits at once",
  "returns a number that equals everything",
  "answers in the judge's own words",
];

/** The processes that a process has started, and those that they have. */
function descendants(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
  const pids = children.split(" ").filter(Boolean).map(Number);
  return [...pids, ...pids.flatMap(descendants)];
}

function isAlive(pid: number): boolean {
  return (
    existsSync(`/proc/${pid}`) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"))
  );
}

describe("the sandbox", () => {
  let sandbox: Sandbox;
  let server: Server;
  let connections = 0;
  const marker = temporary("escaped");
  const list = () => {
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    return attacks({ marker, port }).filter(({ name }) => QUICK.includes(name));
  };

  beforeAll(async () => {
    server = createServer((socket) => {
      connections++;
      socket.end();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    sandbox = await Sandbox.open({ concurrency: 2, timeoutMs: 5000 });
  });
  afterAll(async () => {
    await sandbox[Symbol.asyncDispose]();
    server.close();
  });

  test("passes a right program and fails a wrong one", async () => {
    const run = (program: string) => sandbox.check({ program, entryPoint: "f", tests: TESTS });
    const results = await Promise.all([
      run("def f(x): return 2 * x"),
      run("def f(x): return x * x"),
      run("def f(x: return"),
    ]);
    expect(results.map(({ result }) => result)).toEqual(["pass", "fail", "fail"]);
  });

  test("hands values of all plain types to the program and back", async () => {
    const values =
      "[None, True, 0, -10**400, 1.5, float('inf'), 'h\\u00e9\\ud800', b'\\x00', (1, [2]), {1: {2}}, {'a': ()}, frozenset([3]), 1j, range(3)]";
    const tests = `for v in ${values}:\n  assert f(v) == v and type(f(v)) is type(v)\n`;
    const result = await sandbox.check({ program: "def f(x): return x", entryPoint: "f", tests });
    expect(result).toEqual({ result: "pass", detail: "" });
  });

  test("lets nothing of an attack out, and no attack passes", async () => {
    expect(list()).toHaveLength(QUICK.length);
    const results = await Promise.all(
      list().map(async ({ name, program, results }) => {
        const { result } = await sandbox.check({ program, entryPoint: "f", tests: TESTS });
        return [name, results.includes(result) || result];
      }),
    );
    expect(results).toEqual(list().map(({ name }) => [name, true]));
    expect(connections).toBe(0);
    expect(existsSync(marker)).toBe(false);
  });

  test("runs honest programs as a plain Python does", async () => {
    const results = await Promise.all(
      QUICK_HONEST.map(async (name) => {
        const program = HONEST_PROGRAMS[name] as string;
        const tests = "assert f(7) == 7";
        return [name, (await sandbox.check({ program, entryPoint: "f", tests })).result];
      }),
    );
    expect(results).toEqual(QUICK_HONEST.map((name) => [name, "pass"]));
  });

  test("takes what a program answers for its own failure, whatever it is", async () => {
    const results = await Promise.all(
      GARBLED_ANSWERS.map(async (answer) => {
        const program = garbling(answer);
        const tests = "assert f(7) == 7";
        return (await sandbox.check({ program, entryPoint: "f", tests })).result;
      }),
    );
    expect(results.filter((result) => result !== "fail" && result !== "blocked")).toEqual([]);
  });

  test("holds its memory limit for files in memory, too", async () => {
    const program = `
import sys
judge = sys._getframe(1).f_globals
judge["forbid"] = lambda *_: None
def f(x):
    with open("/tmp/x", "wb") as file:
        for _ in range(64):
            file.write(bytes(2**20))
    return x
`;
    const result = await sandbox.check({ program, entryPoint: "f", tests: "assert f(7) == 7" });
    expect(result).toEqual({ result: "fail", detail: expect.stringContaining("No space left") });
  });

  test.skipIf(process.platform !== "linux")(
    "fails no program whose process someone else kills, before or while it runs",
    async () => {
      const others = new Set(descendants(process.pid));
      await using own = await Sandbox.open({ concurrency: 1 });
      const killAll = () => {
        const processes = descendants(process.pid).filter((pid) => !others.has(pid));
        for (const pid of processes) {
          // Some end with those that were killed before them.
          if (isAlive(pid)) spawnSync("kill", ["-9", String(pid)]);
        }
        return processes.length;
      };
      const long = "def f(x):\n    for _ in range(10**7): pass\n    return 2 * x";
      const check = () => own.check({ program: long, entryPoint: "f", tests: TESTS });
      expect(killAll()).toBeGreaterThan(1);
      expect(await check()).toEqual({ result: "pass", detail: "" });
      const checking = check();
      setTimeout(killAll, 200);
      expect(await checking).toEqual({ result: "pass", detail: "" });
    },
  );

  test.skipIf(process.platform !== "linux")("ends with its parent, also by kill -9", async () => {
    const script = fileURLToPath(new URL("../fixtures/loop-in-sandbox.mjs", import.meta.url));
    const parent = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] });
    await once(parent.stdout, "data");
    const processes = descendants(parent.pid as number);
    expect(processes.length).toBeGreaterThan(1);
    parent.kill("SIGKILL");
    await vi.waitFor(() => expect(processes.filter(isAlive)).toEqual([]), 10_000);
  });

  test("still runs after an abort of another, and refuses when disposed", async () => {
    const abort = new AbortController();
    const other = await Sandbox.open({ concurrency: 1, signal: abort.signal });
    const endless = other.check({
      program: "def f(x):\n  while True: pass",
      entryPoint: "f",
      tests: TESTS,
    });
    setTimeout(() => abort.abort(new Error("enough")), 200);
    await expect(endless).rejects.toThrow("enough");
    await other[Symbol.asyncDispose]();
    const run = { program: "def f(x): return 2 * x", entryPoint: "f", tests: TESTS };
    await expect(other.check(run)).rejects.toThrow();
    expect((await sandbox.check(run)).result).toBe("pass");
  });
});

/** Runs it where Node's own program is this script, in a directory `bin`. */
async function withNode<T>(name: string, script: string, run: () => Promise<T>): Promise<T> {
  const file = path.join(temporary(name), "bin", "node");
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  const { execPath } = process;
  process.execPath = file;
  try {
    return await run();
  } finally {
    process.execPath = execPath;
  }
}

describe.skipIf(process.platform !== "linux")("a Node of another place", async () => {
  test("that never starts is given up after the limit, also for a snapshot", async () => {
    const sleeping = "echo waits >&2; exec sleep 600";
    const isolation = await detectIsolation("none");
    const options = { isolation, memoryMiB: 64, snapshot: "", startMs: 150 };
    await withNode("sleeping", sleeping, async () => {
      const others = descendants(process.pid);
      await expect(Interpreter.start("candidate", options)).rejects.toThrow(
        /had not started after 0.15 s, as without threads to spare/,
      );
      vi.stubEnv("XDG_CACHE_HOME", temporary("no-snapshot"));
      await expect(snapshotFile(options)).rejects.toMatchObject({
        code: "ERR_SANDBOX",
        message: expect.stringContaining("no snapshot within 0.15 s"),
      });
      vi.unstubAllEnvs();
      const left = () => descendants(process.pid).filter((pid) => !others.includes(pid));
      await expect.poll(() => left().filter(isAlive)).toEqual([]);
    });
  });

  const hasBubblewrap = (await detectIsolation("bubblewrap")).os === "bubblewrap";
  test.skipIf(!hasBubblewrap)("is confined by what it can start under", async () => {
    const kept = 'exec "$(dirname "$0")/../lib/node" "$@"';
    const known = await withNode("prefix", kept, async () => {
      const library = path.resolve(process.execPath, "../../lib");
      mkdirSync(library);
      symlinkSync("/bin/true", path.join(library, "node"));
      return (await detectIsolation()).os;
    });
    expect(known).toBe("bubblewrap");
    const away = path.join(temporary("away"), "node");
    mkdirSync(path.dirname(away), { recursive: true });
    symlinkSync("/bin/true", away);
    const hidden = await withNode("hidden", `exec ${away} "$@"`, () => detectIsolation());
    expect(hidden.os).not.toBe("bubblewrap");
  });
});
