import { loadModel } from "llama-ets";
import { runChild } from "../lib/child.mjs";
import { prefilled, randomPrompt } from "../lib/drawing.mjs";
import { showProgress } from "../lib/progress.mjs";
import { randomModel } from "../lib/random-model.mjs";
import { median } from "../lib/statistics.mjs";
import { fixed } from "../lib/table.mjs";
import { threadCount, threadsFor } from "../lib/threads.mjs";

const FORK_LIMIT_MS = 1;
const FORKS = 100;

/**
 * Measures time and memory against M·K, prompt length and I with one process per row, and the cost of a fork.
 */
export async function scaling({ quick, threads, sweeps }) {
  const file = await randomModel(quick ? "qwen3-tiny" : "qwen3-0.6b");
  const base = { file, threads: await threadsFor(file, threads) };
  const rows = [];
  for (const { what, script, ...shape } of shapes(quick, sweeps)) {
    showProgress(`scaling: ${what}`);
    rows.push({ what, ...shape, ...(await runChild(script, { ...base, ...shape })) });
  }
  showProgress("", true);
  const fork = sweeps.includes("fork") ? await timeForks(base, quick ? 64 : 4096) : null;
  const cells = (r) => [
    ...[r.what, r.promptTokens, r.length, r.prefilled, r.tokens],
    ...[fixed(r.ms / 1000, 2), fixed(r.tokens / (r.ms / 1000), 1), fixed(r.peakMiB, 0)],
  ];
  const forkNote = fork
    ? ` A fork of ${fork.promptTokens} tokens takes ${fixed(fork.ms * 1000, 0)} µs (median of ${FORKS}, slowest ${fixed(fork.slowest * 1000, 0)} µs), the way through JavaScript and back included.`
    : "";
  return {
    title: "Scaling",
    ratio: fork && FORK_LIMIT_MS / fork.ms,
    ours: fork && fork.ms * 1000,
    theirs: FORK_LIMIT_MS * 1000,
    unit: "µs a fork; theirs: the limit",
    note: `${threadCount(base.threads)}; seconds and tokens/s include making the context and the prefill. Rows of prompts have M·K = 4; rows of I are ets() with M = 4, K = 1.${forkNote}`,
    columns: ["", "prompt", "length", "prefilled", "drawn", "seconds", "tokens/s", "peak MiB"],
    rows: rows.map(cells),
    details: { rows, fork },
  };
}

function shapes(quick, sweeps) {
  const script = "complete-ours.mjs";
  const length = quick ? 4 : 8;
  const promptTokens = quick ? 16 : 256;
  const all = {
    parallel: (quick ? [1, 4] : [1, 4, 16, 64, 256]).map((count) => ({
      what: `M·K = ${count}`,
      script,
      promptTokens,
      length,
      count,
    })),
    prompt: (quick ? [32] : [256, 1024, 4096, 8192]).map((tokens) => ({
      what: `prompt of ${tokens}`,
      script,
      promptTokens: tokens,
      length,
      count: 4,
    })),
    steps: (quick ? [1, 2] : [1, 2, 4, 8]).map((steps) => ({
      what: `I = ${steps}`,
      script: "guide.mjs",
      promptTokens,
      length: 4 * length,
      candidates: 4,
      steps,
    })),
  };
  return sweeps.flatMap((name) => all[name] ?? []);
}

async function timeForks({ file, threads }, promptTokens) {
  const model = await loadModel(file, { gpu: false, threads });
  const context = await model.lease({ cells: promptTokens + 64, sequences: 8 });
  const parent = await prefilled(context, randomPrompt(promptTokens));
  const times = [];
  for (let i = 0; i < FORKS; i++) {
    const started = performance.now();
    const fork = await parent.fork();
    times.push(performance.now() - started);
    await fork[Symbol.asyncDispose]();
  }
  await model.release(context);
  await model.dispose();
  return { promptTokens, ms: median(times), slowest: Math.max(...times) };
}
