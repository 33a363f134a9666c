// Runs engine tests on another CPU variant of the prebuilt engine than the one this machine chooses:
// kernels round differently, and no test may hang on that.
//
//   npm run test:variant                    the named subset, on one other variant (`.ci/run`)
//   npm run test:variant -- --all           all engine tests, on every variant that runs here
//   npm run test:variant -- haswell [FILE]  on this variant: the subset, or these files
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { locateEngine } from "../dist/engine/local/locate-engine.js";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const ADDON = path.join(ROOT, "build/Release/llama_ets.node");
const LIBRARY = /^(lib)?ggml-cpu-(.+)\.(so|dylib|dll)$/;

/** What draws, weighs and scores most, in less than a minute on a machine with AVX2. */
const SUBSET = [
  "test/chain/budget.test.ts",
  "test/energy/importance-sampling.test.ts",
  "test/engine/context.test.ts",
  "test/methods/answered.test.ts",
  "test/methods/diffusion.test.ts",
  "test/methods/methods.test.ts",
  "test/native/sampler.test.ts",
  "test/rewards/certainty.test.ts",
];

/** The first of these that runs, and that the machine doesn't choose itself, is the other one. */
const PREFERRED = ["haswell", "ivybridge", "sandybridge", "sse42", "x64"];
/** Without AVX the same tests take several times as long. */
const SLOW = ["sse42", "x64"];

const { directory: prebuilt } = await locateEngine(false, "");
const files = readdirSync(prebuilt);
const variants = files.flatMap((name) => LIBRARY.exec(name)?.[2] ?? []);
const scratch = mkdtempSync(path.join(tmpdir(), "llama-ets-variants-"));
chmodSync(scratch, 0o755); // one test runs as another user
process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));

/** An engine directory that holds this variant alone. */
function engineOf(variant) {
  const directory = path.join(scratch, variant);
  mkdirSync(directory, { recursive: true });
  for (const name of files) {
    const other = LIBRARY.exec(name)?.[2];
    if (other !== undefined && other !== variant) continue;
    const link = path.join(directory, name);
    if (!existsSync(link)) symlinkSync(path.join(prebuilt, name), link);
  }
  return directory;
}

/** The variant that a process opens from an engine directory; undefined when none runs here. */
function opened(directory) {
  const code = `
    require(${JSON.stringify(ADDON)}).openEngine(${JSON.stringify(directory)});
    console.log(JSON.stringify(process.report.getReport().sharedObjects));`;
  const { status, stdout } = spawnSync(process.execPath, ["-e", code], { encoding: "utf8" });
  if (status !== 0) return undefined;
  const names = JSON.parse(stdout).map((file) => path.basename(file));
  return names.flatMap((name) => LIBRARY.exec(name)?.[2] ?? [])[0];
}

function runTests(variant, tests) {
  const started = Date.now();
  const vitest = path.join(
    path.dirname(createRequire(import.meta.url).resolve("vitest")),
    "vitest.mjs",
  );
  const env = {
    ...process.env,
    LLAMA_ETS_ENGINE: engineOf(variant),
    LLAMA_ETS_TEST_VARIANT: variant,
  };
  if (SLOW.includes(variant)) env.LLAMA_ETS_TEST_TIMEOUT = "600000";
  console.log(`\n=== engine tests on ${variant}`);
  const args = [vitest, "run", "--project", "engine", ...tests];
  const { status } = spawnSync(process.execPath, args, { cwd: ROOT, env, stdio: "inherit" });
  const seconds = Math.round((Date.now() - started) / 1000);
  console.log(`=== ${variant}: ${status === 0 ? "passed" : "FAILED"} (${seconds} s)`);
  return status === 0;
}

const [asked, ...given] = process.argv.slice(2);
const own = opened(prebuilt);
if (asked === "--all") {
  const runnable = variants.filter((variant) => opened(engineOf(variant)) === variant);
  console.log(`This machine chooses ${own} and runs ${runnable.join(", ")}`);
  const passed = runnable.map((variant) => runTests(variant, given));
  process.exitCode = passed.every(Boolean) ? 0 : 1;
} else {
  const runs = (variant) => variants.includes(variant) && opened(engineOf(variant)) === variant;
  const other = asked ?? PREFERRED.find((variant) => variant !== own && runs(variant));
  if (other === undefined)
    console.log(`${own ?? "The only variant"} has no other here: nothing to run`);
  else if (!runs(other))
    throw new Error(`${other} is not one of ${variants.join(", ")} that run here`);
  else process.exitCode = runTests(other, given.length > 0 ? given : SUBSET) ? 0 : 1;
}
