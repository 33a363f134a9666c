import { loadModel } from "llama-ets";
import { builtEngine } from "../lib/built-engine.mjs";
import { run } from "../lib/child.mjs";
import { countTokens, drawTexts, leaseContext, prefilled, randomPrompt } from "../lib/drawing.mjs";
import { showProgress } from "../lib/progress.mjs";
import { randomModel } from "../lib/random-model.mjs";
import { median } from "../lib/statistics.mjs";
import { threadCount } from "../lib/threads.mjs";

const PROMPT = 256;

/**
 * Our rollout loop, sampling and log-probabilities included, against the raw decode of llama.cpp's
 * own llama-batched-bench: the same libraries, model, threads, prompt, and tokens decoded. Each
 * measurement of theirs is followed by one of ours; the ratio is the median of such pairs. On a
 * machine that others use, the ratio of each side's best may be nearer to the truth: what disturbs
 * only slows.
 */
export async function decode({ quick, engine, threads, rounds, counts, models }) {
  const file = models?.[0] ?? (await randomModel(quick ? "qwen3-tiny" : "qwen3-0.6b"));
  const { directory, batchedBench } = builtEngine(engine);
  const model = await loadModel(file, {
    engine: directory,
    gpu: false,
    threads: threads ?? "auto",
  });
  const sizes = counts ?? (quick ? [1, 4] : [1, 4, 8, 16, 32, 64]);
  const repeats = rounds ?? (quick ? 1 : 3);
  const pairs = new Map(sizes.map((n) => [n, []]));
  for (let round = 0; round < repeats; round++) {
    for (const n of sizes) {
      const length = lengthFor(n);
      showProgress(`decode: round ${round + 1} of ${repeats}, N = ${n}`);
      const theirs = await rawDecode(batchedBench, file, model.threads, n, length);
      pairs.get(n).push({ theirs, ours: await ourDecode(model, n, length, round), length });
    }
  }
  showProgress("", true);
  await model.dispose();

  const rows = sizes.map((n) => {
    const measured = pairs.get(n);
    const of = (pick) => median(measured.map(pick));
    return {
      n,
      tokens: n * measured[0].length,
      ours: of(({ ours }) => ours),
      theirs: of(({ theirs }) => theirs),
      ratio: of(({ ours, theirs }) => ours / theirs),
      bestRatio:
        Math.max(...measured.map(({ ours }) => ours)) /
        Math.max(...measured.map(({ theirs }) => theirs)),
      pairs: measured,
    };
  });
  const worst = rows
    .filter(({ n }) => n >= 4)
    .reduce((a, b) => (b.ratio < a.ratio ? b : a), rows.at(-1));
  return {
    title: "Decode: our rollout loop against llama-batched-bench",
    ratio: worst.ratio,
    ours: worst.ours,
    theirs: worst.theirs,
    unit: `tokens/s at N = ${worst.n}, the worst of N ≥ 4`,
    note: `${model.info.description}, prompt of ${PROMPT} tokens, ${threadCount(model.threads)}, medians of ${repeats} pairs; ours draws every token and keeps its log-probability.`,
    columns: ["N", "tokens decoded", "ours, tokens/s", "theirs, tokens/s", "ratio", "of bests"],
    rows: rows.map((r) => [
      ...[
        r.n,
        r.tokens,
        r.ours.toFixed(1),
        r.theirs.toFixed(1),
        r.ratio.toFixed(3),
        r.bestRatio.toFixed(3),
      ],
    ]),
    details: rows,
  };
}

/** Tokens of a text: some 256 in all, so that each measurement takes seconds. */
function lengthFor(n) {
  return Math.min(32, Math.max(4, Math.round(256 / n)));
}

/** Tokens a second of llama-batched-bench: one prompt shared by n sequences on a unified cache. */
async function rawDecode(program, file, threads, n, length) {
  const stdout = await run(program, [
    ...["-m", file, "-t", String(threads), "-ngl", "0", "-pps", "-kvu"],
    ...["-c", String(Math.max(512, PROMPT + n * length)), "-b", "512", "-ub", "512"],
    ...["-npp", String(PROMPT), "-ntg", String(length), "-npl", String(n)],
    ...["--output-format", "jsonl"],
  ]);
  const line = stdout.split("\n").find((text) => text.startsWith("{"));
  if (line === undefined) throw new Error(`llama-batched-bench printed no result:\n${stdout}`);
  return JSON.parse(line).speed_tg;
}

async function ourDecode(model, n, length, round) {
  const room = { promptTokens: PROMPT, maxTokens: length, parallel: n };
  const context = await leaseContext(model, room);
  try {
    const parent = await prefilled(
      context,
      randomPrompt(PROMPT, Math.min(150_000, model.info.vocabSize)),
    );
    const before = await context.status();
    // An end token would leave a batch smaller than theirs: then other numbers are drawn.
    for (let seed = round * 100; ; seed++) {
      const started = performance.now();
      const drawn = await drawTexts(model, context, [parent], {
        ...{ count: n, length, keep: true, seed },
      });
      const ms = performance.now() - started;
      if (countTokens(drawn) < n * length) continue;
      const { decoded } = await context.status();
      const tokens = decoded - before.decoded;
      if (seed === round * 100 && tokens !== n * length) {
        throw new Error(`Expected ${n * length} tokens decoded, got ${tokens}`);
      }
      return (n * length) / (ms / 1000);
    }
  } finally {
    await model.release(context);
  }
}
