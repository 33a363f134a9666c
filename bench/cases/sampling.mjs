import { loadModel } from "llama-ets";
import { drawTexts, leaseContext, prefilled, randomPrompt } from "../lib/drawing.mjs";
import { randomModel } from "../lib/random-model.mjs";
import { median } from "../lib/statistics.mjs";
import { fixed } from "../lib/table.mjs";
import { threadCount } from "../lib/threads.mjs";

const PROMPT = 32;
const LENGTH = 8;

/**
 * Compares the same draws from logits that stay on the device and from logits that are copied to the host.
 * The vocabulary has 152,000 tokens, and the rounds alternate.
 */
export async function sampling({ quick, threads, gpu, rounds, counts }) {
  const file = await randomModel(quick || gpu === false ? "qwen3-tiny" : "qwen3-0.6b");
  const options = { gpu, threads: threads ?? "auto" };
  const models = {
    host: await loadModel(file, { ...options, sampling: "host" }),
    device: await loadModel(file, { ...options, sampling: "device" }),
  };
  const sizes = counts ?? (quick ? [4] : [1, 8, 32, 64]);
  const repeats = rounds ?? (quick ? 1 : 5);
  const rows = [];
  for (const n of sizes) {
    const measured = { host: [], device: [] };
    for (let round = 0; round < repeats; round++) {
      for (const place of ["host", "device"]) {
        measured[place].push(await draw(models[place], n, round));
      }
    }
    const of = (place, pick) => median(measured[place].map(pick));
    const speed = (place) => of(place, ({ tokens, ms }) => tokens / (ms / 1000));
    const cost = (place) => of(place, ({ tokens, samplingMs }) => (1000 * samplingMs) / tokens);
    const [ours, theirs] = [speed("device"), speed("host")];
    const drawn = measured.device.reduce((sum, { deviceDraws }) => sum + deviceDraws, 0);
    rows.push({
      n,
      ours,
      theirs,
      ratio: ours / theirs,
      drawn,
      deviceMicroseconds: cost("device"),
      hostMicroseconds: cost("host"),
    });
  }
  const { info, threads: used } = models.host;
  const { place } = models.host.describe();
  for (const model of Object.values(models)) await model.dispose();
  const last = rows.at(-1);
  return {
    title: "Sampling: on the device, against on the host",
    ratio: last.ratio,
    ours: last.ours,
    theirs: last.theirs,
    unit: `tokens/s at N = ${last.n}`,
    note: `${info.description} on the ${place.toUpperCase()}, ${info.vocabSize} tokens, ${threadCount(used)}; medians of ${repeats} alternated rounds of N texts of ${LENGTH} tokens.`,
    columns: [
      "N",
      "device, tokens/s",
      "host, tokens/s",
      "ratio",
      "device, µs a draw",
      "host, µs a draw",
    ],
    rows: rows.map((r) => [
      ...[r.n, fixed(r.ours, 1), fixed(r.theirs, 1), fixed(r.ratio, 3)],
      ...[fixed(r.deviceMicroseconds, 0), fixed(r.hostMicroseconds, 0)],
    ]),
    details: rows,
  };
}

async function draw(model, n, seed) {
  const room = { promptTokens: PROMPT, maxTokens: LENGTH, parallel: n };
  const context = await leaseContext(model, room);
  try {
    const parent = await prefilled(context, randomPrompt(PROMPT));
    const before = await context.status();
    const started = performance.now();
    await drawTexts(model, context, [parent], { count: n, length: LENGTH, keep: false, seed });
    const ms = performance.now() - started;
    const { generated, samplingNs, deviceDraws } = await context.status();
    return {
      ms,
      tokens: generated - before.generated,
      samplingMs: (samplingNs - before.samplingNs) / 1e6,
      deviceDraws: deviceDraws - before.deviceDraws,
    };
  } finally {
    await model.release(context);
  }
}
