import { checkProposal, ets, loadModel } from "llama-ets";
import { forecast } from "../../dist/planning/pair.js";
import { keptLines } from "../lib/kept-lines.mjs";
import { showProgress } from "../lib/progress.mjs";
import { mean, median } from "../lib/statistics.mjs";
import { fixed } from "../lib/table.mjs";

export const pairOptions = {
  model: "",
  /** Files of models, separated by commas. */
  proposals: "",
  prompts: 10,
  seed: 0,
  candidates: 4,
  rollouts: 8,
  blockTokens: 10,
  maxTokens: 30,
  /** Intervals of resampling, separated by commas. */
  resampleEvery: "2",
  temperature: 1,
  lambda: 0.05,
  file: "runs/pair.jsonl",
};

const WORDS =
  "lantern river clock garden violin storm baker ladder kite winter mirror train apple pocket bridge candle shadow piano window feather honey forest button island blanket compass harbour thunder ribbon castle spoon meadow".split(
    " ",
  );
const ASKED = 6;

/**
 * Compares proposals for one reference model on a dense reward: stories that should use six given words.
 * ETS-IS runs with one ratio per rollout and with rollouts that are resampled on the way, beside ETS. All
 * methods run prompt by prompt; an interrupted run resumes from `file`. The prediction for a pair is the
 * effective share of as many texts as a step has rollouts, with the length of the first step's rollouts.
 */
export async function pair(given) {
  const {
    model: source,
    proposals,
    prompts,
    resampleEvery,
    file,
    ...options
  } = {
    ...pairOptions,
    ...given,
  };
  const {
    seed: seeds,
    candidates,
    rollouts,
    blockTokens,
    maxTokens,
    temperature,
    lambda,
  } = options;
  const kept = await keptLines(file);
  const model = await loadModel(source, { threads: 1 });
  const files = proposals.split(",").filter((name) => name !== "");
  const drafts = new Map();
  for (const name of files) drafts.set(name, await loadModel(name, { threads: 1 }));
  const methods = [
    { method: "ets", own: {} },
    ...files.flatMap((name) => {
      const proposal = drafts.get(name);
      const gammas = String(resampleEvery).split(",").map(Number);
      return [
        { method: "ets-is", proposal, name, own: {} },
        ...gammas.map((gamma) => ({
          method: `ets-is, every ${gamma}`,
          proposal,
          name,
          own: { resampleEvery: gamma },
        })),
      ];
    }),
  ];
  const rows = methods.map((method) => ({ ...method, runs: [], checks: [] }));
  for (let i = 0; i < prompts; i++) {
    const words = wordsOf(i);
    const prompt = `Write a story of four sentences that uses the words ${words.join(", ")}.`;
    const seed = seeds * 1_000_003 + i;
    for (const row of rows) {
      const { method, proposal, name, own } = row;
      const key = (what) => JSON.stringify([what, source, name, i, options]);
      if (proposal !== undefined) row.checks.push(await kept.get(key("check"), check));
      row.runs.push(await kept.get(key(method), run));

      async function check() {
        const texts = candidates * rollouts;
        const size = { texts, maxTokens: maxTokens - blockTokens, temperature, seed };
        const found = await checkProposal(model, proposal, prompt, size);
        const { klPerToken, acceptance } = found;
        return { klPerToken, acceptance, share: forecast(found, size.maxTokens).essShare };
      }
      async function run() {
        const reward = ({ text }) => shareOf(words, text);
        const before = process.cpuUsage();
        const result = await ets(model, prompt, {
          candidates,
          rollouts,
          blockTokens,
          maxTokens,
          temperature,
          lambda,
          seed,
          reward,
          ...own,
          ...(proposal && { proposal }),
          prefixCache: false,
        });
        const { user, system } = process.cpuUsage(before);
        return { ...readRun(result), ms: (user + system) / 1000 };
      }
    }
    showProgress(`${i + 1}/${prompts}`, i + 1 === prompts);
  }
  for (const one of [...drafts.values(), model]) await one.dispose();
  const results = rows.map(summarise);

  return {
    title: "A pair: one ratio a rollout, and rollouts resampled on their way",
    ratio: null,
    ours: null,
    theirs: null,
    unit: "",
    note: `${prompts} prompts, seed ${seeds}, M = ${candidates}, K = ${rollouts}, blocks of ${blockTokens}, up to ${maxTokens} tokens, temperature ${temperature}, λ = ${lambda}; one thread. Predicted and found are medians over the prompts of the share of the first step's rollouts that counts; ESS of Ẑ and k̂ are medians over all steps (how many have a k̂); seconds of the processor.`,
    columns: [
      ...["method", "proposal", "KL a token", "accepted", "predicted", "found", "ESS of Ẑ", "k̂"],
      ...["one ratio's", "reward", "±", "s/item", "generated", "proposed"],
    ],
    rows: results.map((r) => [
      ...[r.method, r.proposal, fixed(r.klPerToken, 2), fixed(r.acceptance, 2)],
      ...[fixed(r.predicted, 2), fixed(r.found, 2), fixed(r.energyEss, 2)],
      ...[`${fixed(r.khat, 2)} (${r.khats})`, fixed(r.oneRatioShare, 2), fixed(r.reward, 3)],
      ...[fixed(r.error, 3), fixed(r.seconds, 1), fixed(r.generated, 0), fixed(r.proposed, 0)],
    ]),
    details: results,
  };
}

/** Returns six words, different ones for every prompt. */
function wordsOf(i) {
  return Array.from({ length: ASKED }, (_, j) => WORDS[(7 * i + 5 * j) % WORDS.length]);
}

function shareOf(words, text) {
  const lower = text.toLowerCase();
  return words.filter((word) => lower.includes(word)).length / words.length;
}

/** Returns what is kept of a run: its reward and costs, and the weights of its steps' rollouts. */
function readRun({ reward, usage, proposalUsage, steps }) {
  const weighed = steps.filter(({ rolloutCount = 0 }) => rolloutCount > 1);
  return {
    reward,
    generated: usage.generated,
    proposed: proposalUsage?.generated ?? 0,
    steps: weighed.map((step) => ({
      share: step.rolloutEss / step.rolloutCount,
      oneRatioShare: step.oneRatioEss === undefined ? null : step.oneRatioEss / step.rolloutCount,
      energyEss: normalisersEss(step),
      khat: step.khat ?? null,
    })),
  };
}

function summarise({ method, name = "–", runs, checks }) {
  const steps = runs.flatMap((run) => run.steps);
  const first = runs.flatMap((run) => run.steps.slice(0, 1));
  const isWeighted = checks.length > 0;
  const known = (values) => values.filter((value) => Number.isFinite(value));
  const middle = (values) => (known(values).length > 0 ? median(known(values)) : null);
  const of = (key) => (isWeighted ? middle(steps.map((step) => step[key])) : null);
  const rewards = runs.map(({ reward }) => reward);
  const average = mean(rewards);
  return {
    method,
    proposal: name.split("/").at(-1),
    klPerToken: isWeighted ? mean(checks.map(({ klPerToken }) => klPerToken)) : null,
    acceptance: isWeighted ? mean(checks.map(({ acceptance }) => acceptance)) : null,
    predicted: middle(checks.map(({ share }) => share)),
    found: isWeighted ? middle(first.map(({ share }) => share)) : null,
    energyEss: of("energyEss"),
    khat: of("khat"),
    oneRatioShare: of("oneRatioShare"),
    khats: known(steps.map(({ khat }) => khat)).length,
    reward: average,
    error: Math.sqrt(mean(rewards.map((r) => (r - average) ** 2)) / (runs.length - 1)),
    seconds: mean(runs.map(({ ms }) => ms)) / 1000,
    generated: mean(runs.map(({ generated }) => generated)),
    proposed: mean(runs.map(({ proposed }) => proposed)),
  };
}

/**
 * Returns the ESS share of the candidates' mean ratios, which shows the loss of the estimates. Each mean
 * ratio is 1 in expectation.
 */
function normalisersEss({ candidates }) {
  const means = candidates
    .map(({ completions }) => completions.filter(({ rollout }) => rollout !== null))
    .filter((own) => own.length > 0)
    .map((own) => mean(own.map(({ logRatio }) => Math.exp(logRatio))));
  if (means.length < 2) return null;
  const sum = means.reduce((a, b) => a + b, 0);
  return sum ** 2 / means.reduce((a, b) => a + b * b, 0) / means.length;
}
