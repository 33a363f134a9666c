import { ets, loadModel, miniGsm, selfConsistency } from "llama-ets";
import { showProgress } from "../lib/progress.mjs";
import { median, wilson } from "../lib/statistics.mjs";
import { fixed, interval, percent } from "../lib/table.mjs";

export const etsIsOptions = {
  limit: 200,
  seed: 0,
  model: "mini-gsm-ref",
  proposal: "mini-gsm-proposal",
  maxTokens: 120,
  temperature: 0.7,
  candidates: 8,
  rollouts: 1,
  blockTokens: 16,
};
/** The paper's clip of log-ratios. */
const CLIP = 10;

/**
 * Compares ETS with ETS-IS on held-out mini-gsm items at the same M, K and I: cost, reliability of the
 * importance weights, and accuracy.
 */
export async function etsIs(given) {
  const options = { ...etsIsOptions, ...given };
  const { maxTokens, temperature, candidates, rollouts, blockTokens } = options;
  const model = await loadModel(options.model);
  const proposal = await loadModel(options.proposal);
  const items = (await miniGsm.load()).slice(0, options.limit);
  const shared = {
    extract: miniGsm.extract,
    reward: selfConsistency({ extract: miniGsm.extract, answerEnd: miniGsm.answerEnd }),
    maxTokens,
    temperature,
    candidates,
    rollouts,
    blockTokens,
  };
  const methods = {
    ets: shared,
    "ets-is": { ...shared, proposal },
    "ets-is, mixture .25": { ...shared, proposal, mixture: 0.25 },
    "ets-is, psis": { ...shared, proposal, weights: "psis" },
  };
  if (Math.round(rollouts * 0.25) === 0) delete methods["ets-is, mixture .25"];

  // All methods run item by item, so that other load on the machine affects all of them equally.
  const tallies = Object.keys(methods).map(newTally);
  for (const [i, item] of items.entries()) {
    for (const tally of tallies) {
      const seed = options.seed * 1_000_003 + i;
      const result = await ets(model, item.prompt, {
        ...methods[tally.method],
        seed,
        prefixCache: false,
      });
      count(tally, result, item);
    }
    showProgress(`${i + 1}/${items.length}`, i + 1 === items.length);
  }
  await proposal.dispose();
  await model.dispose();

  const results = tallies.map((tally) => summarise(tally, items.length));
  const [plain, weighted] = results;
  return {
    title: "ETS-IS: rollouts from a smaller model",
    ratio: plain.msPerItem / weighted.msPerItem,
    ours: weighted.msPerItem,
    theirs: plain.msPerItem,
    unit: "ms an item: ets-is, ets",
    note: `mini-gsm, ${items.length} held-out items, seed ${options.seed}; M = ${candidates}, K = ${rollouts}, blocks of ${blockTokens}, temperature ${temperature}.`,
    columns: [
      ...["method", "ms/item", "generated", "scored", "proposed", "ESS share", "k̂"],
      ...[`beyond ±${CLIP}`, "accuracy %", "95% interval"],
    ],
    rows: results.map((r) => [
      ...[r.method, fixed(r.msPerItem, 0), fixed(r.generatedPerItem, 0)],
      ...[fixed(r.scoredPerItem, 0), fixed(r.proposedPerItem, 0), fixed(r.medianEssShare, 2)],
      ...[fixed(r.medianKhat, 2), fixed(r.beyondClip, 4), percent(r.accuracy), interval(r.ci95)],
    ]),
    details: results,
  };
}

function newTally(method) {
  return {
    method,
    right: 0,
    ms: 0,
    generated: 0,
    scored: 0,
    proposed: 0,
    essShares: [],
    khats: [],
    logRatios: [],
  };
}

function count(tally, result, item) {
  if (result.answer === item.gold) tally.right++;
  tally.ms += result.usage.ms;
  tally.generated += result.usage.generated;
  tally.scored += result.usage.scored;
  tally.proposed += result.proposalUsage?.generated ?? 0;
  for (const { rolloutEss, rolloutCount, khat, candidates } of result.steps) {
    if (rolloutCount > 1) tally.essShares.push(rolloutEss / rolloutCount);
    if (typeof khat === "number") tally.khats.push(khat);
    const drawn = candidates.flatMap((c) => c.completions).filter((c) => c.rollout !== null);
    tally.logRatios.push(...drawn.map(({ logRatio }) => logRatio));
  }
}

function summarise({ essShares, khats, logRatios, right, ...tally }, n) {
  const isWeighted = tally.proposed > 0;
  const beyond = logRatios.filter((x) => Math.abs(x) > CLIP).length;
  return {
    method: tally.method,
    n,
    msPerItem: tally.ms / n,
    generatedPerItem: tally.generated / n,
    scoredPerItem: tally.scored / n,
    proposedPerItem: tally.proposed / n,
    medianEssShare: isWeighted && essShares.length > 0 ? median(essShares) : null,
    medianKhat: khats.length > 0 ? median(khats) : null,
    beyondClip: isWeighted ? beyond / logRatios.length : null,
    accuracy: right / n,
    ci95: wilson(right, n),
  };
}
