import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { evaluate, loadModel, METHODS, miniGsm, selfConsistency } from "llama-ets";
import { showProgress } from "../lib/progress.mjs";
import { fixed, interval, percent } from "../lib/table.mjs";

export const methodsOptions = {
  limit: 500,
  budgets: [500, 1000, 2000],
  seed: 0,
  out: "runs/methods",
};

const SHARED = { maxTokens: 120 };
const BLOCKS = { ...SHARED, blockTokens: 16 };
/** Methods that draw one text, which can't use a larger budget. */
const SINGLE = { greedy: SHARED, sample: SHARED };
/** Methods with the option that scales their budget. */
const SCALED = [
  { method: "majority", options: SHARED, size: "candidates" },
  { method: "best-of-n", options: SHARED, size: "candidates" },
  { method: "beam", options: SHARED, size: "candidates", most: 64 },
  { method: "power", options: BLOCKS, size: "moves" },
  { method: "mh", options: { ...SHARED, moves: 5 }, size: "candidates", most: 84 },
  { method: "particle", options: BLOCKS, size: "candidates", most: 127 },
  { method: "ets", options: BLOCKS, size: "candidates" },
  { method: "ets-is", options: BLOCKS, size: "candidates" },
];
/** Items and sizes from which a method's tokens are extrapolated. */
const CALIBRATION = { items: 16, sizes: [2, 8] };

/**
 * Measures accuracy and cost of all methods on held-out mini-gsm items. A budget is the number of generated
 * tokens per item, including the proposal's. Each method gets the size whose mean tokens, measured beforehand
 * on the last items, are nearest to the budget.
 */
export async function methods(given) {
  const { limit, budgets, seed, out } = { ...methodsOptions, ...given };
  const model = await loadModel("mini-gsm-ref", { gpu: false, threads: 1 });
  const proposal = await loadModel("mini-gsm-proposal", { gpu: false, threads: 1 });
  try {
    const costs = await calibrated(path.join(out, "calibration.json"), model, proposal);
    const scaled = budgets.flatMap((budget) =>
      SCALED.map(({ method, options, size, most = 4096 }) => {
        const [base, slope] = costs[method];
        const fitting = Math.min(most, Math.max(1, Math.round((budget - base) / slope)));
        const name = `${method}@${budget}`;
        return { name, method, budget, size, options: { ...options, [size]: fitting } };
      }),
    );
    const single = Object.entries(SINGLE).map(([method, options]) => {
      return { name: method, method, budget: null, size: null, options };
    });
    const entries = [...single, ...scaled];
    const { summary } = await evaluate(model, miniGsm, {
      methods: entries.map(({ name, method, options }) => ({ name, method, options })),
      limit,
      seed,
      proposal,
      resume: true,
      out: path.join(out, `seed-${seed}`),
      onProgress: ({ done, total }) => showProgress(`${done}/${total} samples`, done === total),
    });
    return toTable(entries, summary.methods, { limit, seed });
  } finally {
    await proposal.dispose();
    await model.dispose();
  }
}

/**
 * Estimates the tokens per item of each method as base + slope · size. The estimates are kept, so that an
 * interrupted run continues with the same sizes.
 */
async function calibrated(file, model, proposal) {
  if (existsSync(file)) return JSON.parse(await readFile(file, "utf8"));
  const items = (await miniGsm.load()).slice(-CALIBRATION.items);
  const { extract, answerEnd } = miniGsm;
  const reward = selfConsistency({ extract, answerEnd });
  const costs = {};
  for (const { method, options, size } of SCALED) {
    const means = [];
    for (const value of CALIBRATION.sizes) {
      let tokens = 0;
      for (const [i, item] of items.entries()) {
        const { usage, proposalUsage } = await METHODS[method](model, item.prompt, {
          ...options,
          extract,
          seed: i,
          [size]: value,
          prefixCache: false,
          ...(method !== "majority" && { reward }),
          ...(method === "ets-is" && { proposal }),
        });
        tokens += usage.generated + (proposalUsage?.generated ?? 0);
      }
      means.push(tokens / items.length);
    }
    const [small, large] = CALIBRATION.sizes;
    const slope = (means[1] - means[0]) / (large - small);
    costs[method] = [means[0] - slope * small, slope];
  }
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, `${JSON.stringify(costs, null, 2)}\n`);
  return costs;
}

function toTable(entries, summaries, { limit, seed }) {
  const rows = entries.map(({ name, method, budget, size, options }) => {
    const { n, accuracy, ci95, generated, prefilled, scored, proposal, ms } = summaries[name];
    const each = (total) => fixed(total / n, 0);
    return [
      ...[budget ?? "–", method, size === null ? "–" : `${size} ${options[size]}`],
      ...[percent(accuracy), interval(ci95), each(generated + (proposal?.generated ?? 0))],
      ...[each(prefilled + (proposal?.prefilled ?? 0)), each(scored + (proposal?.scored ?? 0))],
      fixed(ms / n / 1000, 2),
    ];
  });
  return {
    columns: [
      ...["budget", "method", "size", "accuracy %", "95% interval"],
      ...["generated", "prefilled", "scored", "s"],
    ],
    rows,
    note: `mini-gsm, ${limit} held-out items, seed ${seed}, mini-gsm-ref (ets-is: with mini-gsm-proposal) on one thread; tokens and seconds are means of an item, both models together.`,
  };
}
