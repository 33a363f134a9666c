// Tests with our native code under the compiler's sanitizers: the addon is built with them into a copy of
// this package below build/, whose tests run with the sanitizers' libraries loaded first.
//
//   npm run test:sanitize                 the named subset under AddressSanitizer and UBSan
//   npm run test:sanitize -- FILE…        these test files
//   npm run test:sanitize -- --leaks      the same, with LeakSanitizer: leaks that our code allocated
//   npm run test:sanitize -- --threads    under ThreadSanitizer
//
// Tests that render templates or compile constraints are none of these: their process has a limit of
// address space, in which AddressSanitizer has no room.
//
// Linux and GCC (or `CXX`). The engine's libraries are the prebuilt ones: what they do with memory that
// the addon or malloc gave them is seen only where it calls what is intercepted (memcpy, free, …).
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
} from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const CXX = process.env.CXX ?? "g++";

/** What crosses the addon's border most, and holds its state longest. */
const SUBSET = [
  "test/engine/context.test.ts",
  "test/engine/denoising.test.ts",
  "test/engine/denoising-bad-input.test.ts",
  "test/engine/denoising-search.test.ts",
  "test/engine/kept-prompts.test.ts",
  "test/engine/model-files.test.ts",
  "test/engine/recurrent-models.test.ts",
  "test/methods/edges.test.ts",
  "test/native",
  "test/reliability/exit.reliability.ts",
];

const asked = process.argv.slice(2);
const threads = asked.includes("--threads");
const leaks = asked.includes("--leaks");
const files = asked.filter((argument) => !argument.startsWith("--"));
const kind = threads ? "thread" : "address";
const FLAGS = {
  address: "-fsanitize=address,undefined -fno-sanitize-recover=undefined",
  thread: "-fsanitize=thread",
}[kind];
/** Loaded first, as node isn't linked with them; without libstdc++ what is thrown isn't intercepted. */
const LIBRARIES = { address: ["libasan.so", "libubsan.so"], thread: ["libtsan.so"] }[kind];

const place = path.join(ROOT, "build/sanitize", kind);
const copy = path.join(place, "llama-ets");
const logs = path.join(place, "logs");

function run(command, args, options = {}) {
  const { status, error, stdout } = spawnSync(command, args, {
    cwd: copy,
    encoding: "utf8",
    ...options,
  });
  if (error) throw error;
  return { status, stdout };
}

function libraryFile(name) {
  const { stdout } = run(CXX, [`-print-file-name=${name}`], { cwd: ROOT });
  const file = stdout.trim();
  if (!path.isAbsolute(file)) throw new Error(`${CXX} has no ${name}: install its sanitizers`);
  return file;
}

/** The files of the working tree as they are, with their times, so that make compiles what changed. */
function copyTree() {
  const listed = run("git", ["ls-files", "-z", "-co", "--exclude-standard"], { cwd: ROOT });
  const tracked = listed.stdout.split("\0").filter((name) => name !== "");
  const built = readdirSync(path.join(ROOT, "dist"), { recursive: true, encoding: "utf8" });
  const names = [...tracked, ...built.map((name) => path.join("dist", name))];
  for (const part of ["src", "test", "native", "dist"]) {
    rmSync(path.join(copy, part), { recursive: true, force: true });
  }
  for (const name of names) {
    const from = path.join(ROOT, name);
    if (!existsSync(from) || statSync(from).isDirectory()) continue;
    const to = path.join(copy, name);
    mkdirSync(path.dirname(to), { recursive: true });
    copyFileSync(from, to);
    const { atime, mtime } = statSync(from);
    utimesSync(to, atime, mtime);
  }
  link(path.join(ROOT, "node_modules"), path.join(copy, "node_modules"));
  const shared = path.join(ROOT, "../shared");
  if (existsSync(shared)) link(shared, path.join(place, "shared"));
}

function link(target, name) {
  if (!lstatSync(name, { throwIfNoEntry: false })) symlinkSync(target, name);
}

function build() {
  const CXXFLAGS = `${FLAGS} -fno-omit-frame-pointer -O1 -g`;
  // Node exports templates of the standard library, such as that by which shared pointers count. The addon
  // calls its own, whose atomics ThreadSanitizer sees.
  const env = { ...process.env, CXX, CXXFLAGS, LDFLAGS: `${FLAGS} -Wl,-Bsymbolic` };
  const { status } = run("npm", ["run", "build:native"], { env, stdio: "inherit" });
  if (status !== 0) throw new Error("The addon could not be built");
}

function test() {
  rmSync(logs, { recursive: true, force: true });
  mkdirSync(logs, { recursive: true });
  const log = `log_path=${path.join(logs, "report")}:log_exe_name=1`;
  const preload = [...LIBRARIES, "libstdc++.so.6"].map(libraryFile).join(":");
  const env = {
    ...process.env,
    LD_PRELOAD: preload,
    // V8 reserves more than it uses, and handles faults of WebAssembly by itself.
    ASAN_OPTIONS: `${log}:detect_leaks=${leaks ? 1 : 0}:detect_stack_use_after_return=0:handle_segv=1:alloc_dealloc_mismatch=0`,
    LSAN_OPTIONS: "exitcode=0:max_leaks=0",
    UBSAN_OPTIONS: `${log}:print_stacktrace=1`,
    TSAN_OPTIONS: `${log}:exitcode=0`,
    LLAMA_ETS_TEST_TIMEOUT: "600000",
    LLAMA_ETS_TEST_SANITIZED: kind,
  };
  const vitest = [path.join(copy, "node_modules/vitest/vitest.mjs"), "run", "--maxWorkers=1"];
  const asked = files.length > 0 ? files : SUBSET;
  const isReliability = (name) => name.endsWith(".reliability.ts");
  const runs = [
    { config: "vitest.config.ts", names: asked.filter((name) => !isReliability(name)) },
    { config: "vitest.reliability.config.ts", names: asked.filter(isReliability) },
  ].filter(({ names }) => names.length > 0);
  const codes = runs.map(({ config, names }) => {
    const args = [...vitest, `--config=${config}`, ...names];
    return run(process.execPath, args, { env, stdio: "inherit" }).status;
  });
  return Math.max(...codes.map((code) => code ?? 1));
}

/**
 * Node and the engine have many leaks of their own. A leak is ours if our addon asked for its memory, but not
 * through a call of Node-API, such as `napi_create_external`: freeing that is node's part.
 */
function isOurs(block) {
  const frames = block.split("\n").filter((line) => /^\s+#\d/.test(line));
  return frames.slice(1, 4).some((f) => f.includes("llama_ets")) && !/ napi_/.test(frames[1]);
}

/**
 * A race is ours if one side at least is our code: node, the test runner and the engine have races of their
 * own. How the standard library counts who holds an exception isn't seen, so that whoever frees it last
 * seems to race with whoever read it before.
 */
function isOurRace(block) {
  const sides = block
    .split(/\n\n/)
    .filter((part) => /^\s+(?:Previous )?\w+ .*of size/im.test(part));
  const isOurSide = (side) => {
    const frames = side.split("\n").filter((line) => /^\s+#\d/.test(line));
    return frames.find((line) => !/\((?:libtsan|libstdc)/.test(line))?.includes("llama_ets");
  };
  return sides.some(isOurSide) && !block.includes("exception_ptr::_M_release");
}

function findings() {
  const found = [];
  for (const name of readdirSync(logs)) {
    const text = readFileSync(path.join(logs, name), "utf8");
    if (text.includes("ThreadSanitizer")) {
      found.push(...text.split(/^={18}$/m).filter(isOurRace));
    } else if (text.includes("LeakSanitizer")) {
      found.push(...text.split(/\n\n/).filter((block) => /leak of/.test(block) && isOurs(block)));
    } else found.push(`${name}\n${text}`);
  }
  return found;
}

mkdirSync(copy, { recursive: true });
copyTree();
build();
const status = test();
const found = findings();
for (const text of found) console.error(`\n${text}`);
console.log(`${found.length} findings of the ${kind} sanitizer; tests ended with ${status}`);
process.exitCode = found.length > 0 || status !== 0 ? 1 : 0;
