import { ets, loadModel } from "llama-ets";
import { showProgress } from "../lib/progress.mjs";
import { mean, median } from "../lib/statistics.mjs";
import { fixed } from "../lib/table.mjs";

export const pairOptions = {
  model: "",
  /** Files, with commas between them. */
  proposals: "",
  prompts: 20,
  seed: 0,
  candidates: 4,
  rollouts: 4,
  blockTokens: 16,
  maxTokens: 80,
  /** With commas between them. */
  resampleEvery: "8",
  temperature: 1,
  lambda: 0.05,
};

const WORDS =
  "lantern river clock garden violin storm baker ladder kite winter mirror train apple pocket bridge candle shadow piano window feather honey forest button island blanket compass harbour thunder ribbon castle spoon meadow".split(
    " ",
  );
const ASKED = 6;

/**
 * Rollouts of proposals at one reference on a dense reward, stories that shall use six given words:
 * one ratio a rollout, and rollouts that are resampled on their way, beside ETS.
 */
export async function pair(given) {
  const options = { ...pairOptions, ...given };
  const { prompts, candidates, rollouts, blockTokens, maxTokens, temperature, lambda } = options;
  const gammas = String(options.resampleEvery).split(",").map(Number);
  const model = await loadModel(options.model, { threads: 1 });
  const files = options.proposals.split(",").filter((file) => file !== "");
  const results = [];
  const shared = { candidates, rollouts, blockTokens, maxTokens, temperature, lambda };
  try {
    await measure("ets", "–", {});
    for (const file of files) {
      const proposal = await loadModel(file, { threads: 1 });
      const name = file.split("/").at(-1);
      await measure("ets-is", name, { proposal });
      for (const resampleEvery of gammas) {
        await measure(`ets-is, every ${resampleEvery}`, name, { proposal, resampleEvery });
      }
      await proposal.dispose();
    }
  } finally {
    await model.dispose();
  }

  async function measure(method, proposal, own) {
    const runs = [];
    for (let i = 0; i < prompts; i++) {
      const words = wordsOf(i);
      const reward = ({ text }) => shareOf(words, text);
      const prompt = `Write a story of four sentences that uses the words ${words.join(", ")}.`;
      const seed = options.seed * 1_000_003 + i;
      const result = await ets(model, prompt, {
        ...{ ...shared, ...own, reward, seed },
        prefixCache: false,
      });
      runs.push({ result, reward: reward(result) });
      showProgress(`${method} ${proposal} ${i + 1}/${prompts}`, i + 1 === prompts);
    }
    results.push(summarise(method, proposal, runs));
    console.error(JSON.stringify(results.at(-1))); // a long study may be cut off
  }

  return {
    title: "A pair: one ratio a rollout, and rollouts resampled on their way",
    ratio: null,
    ours: null,
    theirs: null,
    unit: "",
    note: `${prompts} prompts, M = ${candidates}, K = ${rollouts}, blocks of ${blockTokens}, up to ${maxTokens} tokens, temperature ${temperature}, λ = ${lambda}; one thread.`,
    columns: [
      ...["method", "proposal", "ESS share", "ESS of Ẑ", "k̂", "one ratio's", "reward", "± "],
      ...["s/item", "generated", "proposed"],
    ],
    rows: results.map((r) => [
      ...[r.method, r.proposal, fixed(r.essShare, 2), fixed(r.energyEss, 2), fixed(r.khat, 2)],
      ...[fixed(r.oneRatioShare, 2), fixed(r.reward, 3), fixed(r.error, 3), fixed(r.seconds, 2)],
      ...[fixed(r.generated, 0), fixed(r.proposed, 0)],
    ]),
    details: results,
  };
}

/** Six words, others for every prompt. */
function wordsOf(i) {
  return Array.from({ length: ASKED }, (_, j) => WORDS[(7 * i + 5 * j) % WORDS.length]);
}

function shareOf(words, text) {
  const lower = text.toLowerCase();
  return words.filter((word) => lower.includes(word)).length / words.length;
}

function summarise(method, proposal, runs) {
  const steps = runs.flatMap(({ result }) => result.steps);
  const weighed = steps.filter(({ rolloutCount = 0 }) => rolloutCount > 1);
  const rewards = runs.map(({ reward }) => reward);
  const seconds = runs.map(({ result }) => result.usage.ms / 1000);
  const average = mean(rewards);
  const spread = Math.sqrt(mean(rewards.map((r) => (r - average) ** 2)) / (runs.length - 1));
  const of = (pick) => {
    const found = weighed.map(pick).filter(Number.isFinite);
    return found.length > 0 ? median(found) : null;
  };
  return {
    method,
    proposal,
    essShare: of(({ rolloutEss, rolloutCount }) => rolloutEss / rolloutCount),
    energyEss: of(normalisersEss),
    khat: of(({ khat }) => khat),
    oneRatioShare: of(({ oneRatioEss, rolloutCount }) => oneRatioEss / rolloutCount),
    reward: average,
    error: spread,
    seconds: mean(seconds),
    generated: mean(runs.map(({ result }) => result.usage.generated)),
    proposed: mean(runs.map(({ result }) => result.proposalUsage?.generated ?? 0)),
  };
}

/** ESS share of the candidates' mean ratios, each 1 in expectation: what the estimates lose. */
function normalisersEss({ candidates }) {
  const means = candidates
    .map(({ completions }) => completions.filter(({ rollout }) => rollout !== null))
    .filter((own) => own.length > 0)
    .map((own) => mean(own.map(({ logRatio }) => Math.exp(logRatio))));
  if (means.length < 2) return null;
  const sum = means.reduce((a, b) => a + b, 0);
  return sum ** 2 / means.reduce((a, b) => a + b * b, 0) / means.length;
}
