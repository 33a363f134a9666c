import { loadModel } from "llama-ets";
import { builtEngine } from "../lib/built-engine.mjs";
import { run } from "../lib/child.mjs";
import { countTokens, drawTexts, leaseContext, prefilled, randomPrompt } from "../lib/drawing.mjs";
import { showProgress } from "../lib/progress.mjs";
import { randomModel } from "../lib/random-model.mjs";
import { median } from "../lib/statistics.mjs";
import { fixed } from "../lib/table.mjs";
import { threadCount } from "../lib/threads.mjs";

const PROMPT = 256;

/**
 * Compares our rollout loop, including sampling and log-probabilities, with the raw decoding of llama.cpp's
 * llama-batched-bench. Libraries, model, threads, prompt and decoded tokens are the same. Each of their
 * measurements is followed by one of ours, and the ratio is the median of these pairs. On a busy machine the
 * ratio of the best of each side may be more accurate, because disturbances only slow a run down. On a GPU
 * without an engine built for it, only our side is measured.
 */
export async function decode({ quick, engine, threads, gpu, rounds, counts, models }) {
  const file = models?.[0] ?? (await randomModel(quick ? "qwen3-tiny" : "qwen3-0.6b"));
  const isChosen = engine !== "" || Boolean(process.env.LLAMA_ETS_ENGINE);
  const built = gpu === false || isChosen ? builtEngine(engine) : undefined;
  const model = await loadModel(file, {
    ...(built && { engine: built.directory }),
    gpu,
    threads: threads ?? "auto",
  });
  const sizes = counts ?? (quick ? [1, 4] : [1, 4, 8, 16, 32, 64]);
  const repeats = rounds ?? (quick ? 1 : 3);
  const pairs = new Map(sizes.map((n) => [n, []]));
  for (let round = 0; round < repeats; round++) {
    for (const n of sizes) {
      const length = lengthFor(n);
      showProgress(`decode: round ${round + 1} of ${repeats}, N = ${n}`);
      const theirs =
        built &&
        (await rawDecode(built.batchedBench, { file, gpu, threads: model.threads, n, length }));
      pairs.get(n).push({ theirs, ours: await ourDecode(model, n, length, round), length });
    }
  }
  showProgress("", true);
  await model.dispose();

  const rows = sizes.map((n) => {
    const measured = pairs.get(n);
    const of = (pick) => median(measured.map(pick));
    const best = (side) => Math.max(...measured.map((pair) => pair[side]));
    const compared = built && {
      theirs: of(({ theirs }) => theirs),
      ratio: of(({ ours, theirs }) => ours / theirs),
      bestRatio: best("ours") / best("theirs"),
    };
    const ours = of(({ ours }) => ours);
    return { n, tokens: n * measured[0].length, ours, ...compared, pairs: measured };
  });
  const worst = rows
    .filter(({ n }) => n >= 4)
    .reduce((a, b) => (b.ratio < a.ratio ? b : a), rows.at(-1));
  const against = built
    ? ""
    : ` There is no llama-batched-bench for ${gpu}: an engine of \`llama-ets build-engine\` has one.`;
  return {
    title: "Decode: our rollout loop against llama-batched-bench",
    ratio: worst.ratio,
    ours: worst.ours,
    theirs: worst.theirs,
    unit: `tokens/s at N = ${worst.n}, the worst of N ≥ 4`,
    note: `${model.info.description}, prompt of ${PROMPT} tokens, ${threadCount(model.threads)}, medians of ${repeats} pairs; ours draws every token and keeps its log-probability.${against}`,
    columns: ["N", "tokens decoded", "ours, tokens/s", "theirs, tokens/s", "ratio", "of bests"],
    rows: rows.map((r) => [
      ...[
        r.n,
        r.tokens,
        fixed(r.ours, 1),
        fixed(r.theirs, 1),
        fixed(r.ratio, 3),
        fixed(r.bestRatio, 3),
      ],
    ]),
    details: rows,
  };
}

/**
 * Returns the tokens of a text. All texts together have about 256, so that each measurement takes seconds.
 */
function lengthFor(n) {
  return Math.min(32, Math.max(4, Math.round(256 / n)));
}

/**
 * Returns the tokens per second of llama-batched-bench, with one prompt shared by n sequences in a unified
 * cache.
 */
async function rawDecode(program, { file, gpu, threads, n, length }) {
  const stdout = await run(program, [
    ...["-m", file, "-t", String(threads), "-ngl", gpu === false ? "0" : "999", "-pps", "-kvu"],
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
    // An end token would make a batch smaller than theirs. Then the draw is repeated with another seed.
    for (let seed = round * 100; ; seed++) {
      const started = performance.now();
      const drawn = await drawTexts(model, context, [parent], {
        count: n,
        length,
        keep: true,
        seed,
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
