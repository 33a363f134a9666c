import { monitorEventLoopDelay } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { loadModel } from "llama-ets";
import { run, runChild } from "../lib/child.mjs";
import { drawTexts, leaseContext, prefilled, randomPrompt } from "../lib/drawing.mjs";
import { randomModel } from "../lib/random-model.mjs";
import { median } from "../lib/statistics.mjs";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
/** The maximum number of milliseconds for which the event loop may be blocked. */
const LIMIT = 20;

/** Measures the time to the first token, and how long decoding blocks the event loop. */
export async function overheads({ quick, threads, rounds }) {
  const repeats = rounds ?? (quick ? 1 : 7);
  const times = async (measure) => {
    const all = [];
    for (let i = 0; i < repeats; i++) all.push(await measure());
    return median(all);
  };
  const node = await times(() => wall(["-e", "0"]));
  const gap = await eventLoopGap(quick, threads);
  const found = [
    ["node starts (for comparison)", node],
    ['import("llama-ets")', await times(() => imports("llama-ets"))],
    ['import("node-llama-cpp"), for comparison', await times(() => imports("node-llama-cpp"))],
    ["llama-ets --version", await times(() => wall([MAIN, "--version"]))],
    ["llama-ets --help", await times(() => wall([MAIN, "--help"]))],
    ["process start to first token, bundled model", await times(firstToken)],
    [
      "llama-ets ask, bundled model, 1 token",
      await times(() =>
        wall([
          MAIN,
          "ask",
          "2 + 3?",
          "--method",
          "sample",
          "--max-tokens",
          "1",
          "--quiet",
          "--gpu",
          "off",
        ]),
      ),
    ],
    [`largest event-loop gap while ${gap.count} texts are decoded`, gap.max],
    ["its 99th percentile", gap.p99],
  ];
  return {
    title: "Overheads",
    ratio: LIMIT / gap.max,
    ours: gap.max,
    theirs: LIMIT,
    unit: `ms, largest event-loop gap; theirs: the limit`,
    note: `Medians of ${repeats} processes; the gap is over ${(gap.ms / 1000).toFixed(1)} s of decoding with sampling.`,
    columns: ["", "ms"],
    rows: found.map(([what, ms]) => [what, ms.toFixed(1)]),
    details: Object.fromEntries(found),
  };
}

async function wall(args) {
  const started = performance.now();
  await run(process.execPath, args, { LLAMA_ETS_ENGINE: "" });
  return performance.now() - started;
}

async function imports(name) {
  const script = `const t = performance.now(); await import("${name}"); console.log(performance.now() - t); process.exit(0)`;
  return Number(await run(process.execPath, ["--input-type=module", "-e", script]));
}

async function firstToken() {
  const started = performance.timeOrigin + performance.now();
  const { at } = await runChild("first-token.mjs", {}, { LLAMA_ETS_ENGINE: "" });
  return at - started;
}

async function eventLoopGap(quick, threads) {
  const file = await randomModel(quick ? "qwen3-tiny" : "qwen3-0.6b");
  const [count, length] = quick ? [4, 8] : [16, 32];
  const model = await loadModel(file, { gpu: false, threads: threads ?? "auto" });
  const context = await leaseContext(model, {
    promptTokens: 256,
    maxTokens: length,
    parallel: count,
  });
  const parent = await prefilled(context, randomPrompt(256));
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const started = performance.now();
  await drawTexts(model, context, [parent], { count, length, keep: false });
  const ms = performance.now() - started;
  delay.disable();
  await model.release(context);
  await model.dispose();
  return { count, ms, max: delay.max / 1e6, p99: delay.percentile(99) / 1e6 };
}
