import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { ets, evaluate, loadModel, miniGsm } from "llama-ets";
import { median } from "../lib/statistics.mjs";

const MODEL = "mini-gsm-ref";
const PROMPT = "Noah works 2 hours for $16 an hour. A bike costs $103. How much more does he need?";

/** An engine in a process of its own beside one in this process: speed after the load, start, memory. */
export async function isolation({ quick, threads, rounds, models: named, limit }) {
  const repeats = rounds ?? (quick ? 1 : 5);
  const options = { gpu: false, threads: threads ?? 1 };
  const source = named?.[0] ?? MODEL;
  const loads = { here: [], there: [] };
  const open = async (place) => {
    const started = performance.now();
    const model = await loadModel(source, { ...options, isolate: place === "there" });
    loads[place].push(performance.now() - started);
    return model;
  };
  for (let i = 0; i < repeats; i++) {
    for (const place of ["here", "there"]) await (await open(place)).dispose();
  }
  const before = process.memoryUsage.rss();
  const there = await open("there");
  const appBytes = process.memoryUsage.rss() - before;
  const models = { here: await open("here"), there };
  try {
    const figures = {
      "32 texts, one step each": (model, seed) => texts(model, seed, quick),
      "one run of ets": (model, seed) => guided(model, seed, quick),
      "an evaluation": Object.assign(
        (model, seed) => evaluated(model, seed, quick || seed === 0 ? 2 : Math.min(limit, 100)),
        { isLong: true },
      ),
    };
    const found = {};
    for (const [name, draw] of Object.entries(figures)) {
      const rounds = draw.isLong ? Math.min(2, repeats) : repeats;
      const rates = { here: [], there: [] };
      for (const place of ["here", "there"]) await draw(models[place], 0); // warm
      for (let i = 1; i <= rounds; i++) {
        // Each goes first as often.
        const order = i % 2 === 0 ? ["here", "there"] : ["there", "here"];
        for (const place of order) rates[place].push(await draw(models[place], i));
      }
      found[name] = { here: median(rates.here), there: median(rates.there) };
    }
    const [first] = Object.values(found);
    const load = { here: median(loads.here), there: median(loads.there) };
    return {
      title: "Isolation",
      ratio: first.there / first.here,
      ours: first.there,
      theirs: first.here,
      unit: "tokens/s, isolated; theirs: in this process",
      note: `Medians of ${repeats} rounds of ${source}; ${process.platform}.`,
      columns: ["", "in this process", "isolated", "isolated / in this process"],
      rows: [
        ...Object.entries(found).map(([name, { here, there: apart }]) => [
          `${name}, tokens/s`,
          ...[here, apart].map((rate) => rate.toFixed(0)),
          (apart / here).toFixed(3),
        ]),
        ["load, ms", load.here.toFixed(0), load.there.toFixed(0), ""],
        ["memory that the app takes for it, MiB", "", (appBytes / 2 ** 20).toFixed(0), ""],
      ],
      details: { ...found, load },
    };
  } finally {
    await Promise.all(Object.values(models).map((model) => model.dispose()));
  }
}

async function texts(model, seed, quick) {
  const started = performance.now();
  let tokens = 0;
  for (let i = 0; i < (quick ? 1 : 4); i++) {
    const { usage } = await ets(model, PROMPT, {
      ...{ candidates: 32, rollouts: 1, steps: 1, maxTokens: quick ? 8 : 128 },
      ...{ seed: 100 * seed + i, temperature: 1.2 },
    });
    tokens += usage.generated;
  }
  return tokens / ((performance.now() - started) / 1000);
}

async function guided(model, seed, quick) {
  const started = performance.now();
  const { usage } = await ets(model, PROMPT, {
    ...{ candidates: 8, rollouts: 4, blockTokens: 8, maxTokens: quick ? 8 : 128 },
    ...{ seed, temperature: 1.2 },
  });
  return usage.generated / ((performance.now() - started) / 1000);
}

async function evaluated(model, seed, limit) {
  const out = mkdtempSync(path.join(tmpdir(), "llama-ets-bench-"));
  const started = performance.now();
  try {
    const { summary } = await evaluate(model, miniGsm, {
      ...{ methods: ["ets"], limit, seed, out: path.join(out, "run") },
      options: { candidates: 4, rollouts: 2, maxTokens: 96 },
    });
    return summary.methods.ets.generated / ((performance.now() - started) / 1000);
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
}
