import { existsSync } from "node:fs";
import path from "node:path";
import { cachedEngine } from "../../dist/engine-build/build-engine.js";

/** Finds an engine of `llama-ets build-engine` and its llama-batched-bench. */
export function builtEngine(chosen) {
  const directory = chosen || process.env.LLAMA_ETS_ENGINE || cachedEngine();
  const name = process.platform === "win32" ? "llama-batched-bench.exe" : "llama-batched-bench";
  const batchedBench = directory && path.join(directory, name);
  if (batchedBench && existsSync(batchedBench)) return { directory, batchedBench };
  throw new Error(
    `No llama-batched-bench in ${directory || "the cache"}.\nTry: npx llama-ets build-engine, then this again`,
  );
}
