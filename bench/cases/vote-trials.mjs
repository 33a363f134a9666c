import { readFile } from "node:fs/promises";
import { canonicalAnswer, greedy, loadModel, majority, miniGsm } from "llama-ets";
import { showProgress } from "../lib/progress.mjs";
import { mean, pairedDifference } from "../lib/statistics.mjs";
import { fixed, percent } from "../lib/table.mjs";

const ITEMS = new URL("../../models/mini-gsm-test.jsonl", import.meta.url);

export const voteTrialsOptions = {
  limit: 200,
  /** The lowest level of the items, from 1 (two calculations) to 5 (six calculations). */
  level: 1,
  seed: 0,
  model: "mini-gsm-ref",
  maxTokens: 120,
  temperature: 1,
  /** The number of texts drawn per item, at least 16. */
  texts: 32,
  /** Whether the ends of texts are redrawn too. */
  redraws: false,
  /** The study ends after this many minutes with the items drawn so far. 0 means no limit. */
  minutes: 0,
};

const WINDOW = 8;
/** The baseline of all comparisons. */
const BASE = "count, 16 texts";

/**
 * Tests votes that the library doesn't have, on one set of draws: votes of texts drawn without replacement
 * (the first distinct texts have this distribution), votes without the texts with the least confident window,
 * and votes weighted by whether a redrawn end gives the same answer.
 */
export async function voteTrials(given) {
  const options = { ...voteTrialsOptions, ...given };
  const { limit, maxTokens, temperature, texts, redraws, minutes } = options;
  const until = minutes > 0 ? performance.now() + 60_000 * minutes : Number.POSITIVE_INFINITY;
  const model = await loadModel(options.model, { gpu: false, threads: 1 });
  const items = await loadItems(options.level, limit);
  const outcomes = new Map();
  let done = 0;
  for (const [i, item] of items.entries()) {
    if (performance.now() > until) break;
    done = i + 1;
    const seed = options.seed * 1_000_003 + i;
    const shared = { extract: miniGsm.extract, maxTokens, temperature, seed };
    const { steps, prompt } = await majority(model, item.prompt, { ...shared, candidates: texts });
    const drawn = steps[0].candidates.map(readText);
    const redrawn = redraws
      ? await redrawEnds(model, prompt.tokens, drawn.slice(0, 4), shared)
      : null;
    const { temperature: _, ...cold } = shared;
    const guess = await greedy(model, item.prompt, cold);
    const rules = { greedy: [readText(guess)], ...rulesOf(drawn, redrawn) };
    for (const [name, vote] of Object.entries(rules)) {
      const known = outcomes.get(name) ?? { right: [], tokens: [] };
      known.right.push(elect(vote) === item.gold);
      known.tokens.push(vote.reduce((sum, { tokens }) => sum + tokens, 0));
      outcomes.set(name, known);
    }
    showProgress(`${i + 1}/${items.length}`, i + 1 === items.length);
  }
  await model.dispose();
  const base = outcomes.get(BASE);
  const rows = [...outcomes].map(([rule, { right, tokens }]) => ({
    rule,
    accuracy: mean(right.map(Number)),
    tokens: mean(tokens),
    difference: pairedDifference(right, base.right),
  }));
  return {
    title: "Trials: other votes on the same draws",
    ratio: null,
    ours: null,
    theirs: null,
    unit: "",
    note: `mini-gsm, ${done} held-out items of level ${options.level} or more, seed ${options.seed}, ${options.model}, temperature ${temperature}; differences from "${BASE}", in points, with 95% intervals.`,
    columns: ["rule", "accuracy %", "tokens", "difference", "95% interval"],
    rows: rows.map(({ rule, accuracy, tokens, difference }) => [
      ...[rule, percent(accuracy), fixed(tokens, 0), percent(difference.mean)],
      `[${difference.ci95.map(percent).join(", ")}]`,
    ]),
    details: rows,
  };
}

async function loadItems(level, limit) {
  const items = await miniGsm.load();
  const lines = (await readFile(ITEMS, "utf8")).trim().split("\n");
  return items.filter((_, i) => JSON.parse(lines[i]).level >= level).slice(0, limit);
}

function readText({ text, tokens, logProbs }) {
  const found = miniGsm.extract(text);
  const windows = logProbs.slice(WINDOW - 1).map((_, i) => mean(logProbs.slice(i, i + WINDOW)));
  return {
    answer: found === null ? null : canonicalAnswer(found),
    key: tokens.join(),
    ids: tokens,
    tokens: tokens.length,
    logProb: logProbs.reduce((a, b) => a + b, 0),
    windows,
    votes: 1,
  };
}

/** Redraws the second half of each text. */
async function redrawEnds(model, prompt, drawn, shared) {
  const redrawn = [];
  for (const [i, { ids }] of drawn.entries()) {
    const kept = ids.slice(0, Math.floor(ids.length / 2));
    const from = Int32Array.from([...prompt, ...kept]);
    const options = { ...shared, candidates: 1, seed: shared.seed + 7919 * (i + 1) };
    const { steps } = await majority(model, from, {
      ...options,
      maxTokens: shared.maxTokens - kept.length,
    });
    const [{ text, tokens }] = steps[0].candidates;
    const found = miniGsm.extract(text);
    redrawn.push({ answer: found === null ? null : canonicalAnswer(found), tokens: tokens.length });
  }
  return redrawn;
}

function rulesOf(drawn, redrawn) {
  const distinct = [...new Map(drawn.map((text) => [text.key, text])).values()];
  const byProbability = (texts, exponent = 1) => {
    const seen = new Set();
    return texts.map((text) => {
      const isNew = !seen.has(text.key);
      seen.add(text.key);
      return { ...text, votes: isNew ? Math.exp(exponent * text.logProb) : 0 };
    });
  };
  // Half of the lowest windows of the first four texts are below the threshold. Later texts end at a window
  // below it.
  const warm = drawn.slice(0, 4).map(({ windows }) => Math.min(...windows, 0));
  const threshold = warm.toSorted((a, b) => a - b)[1];
  const confident = drawn.slice(0, 8).map((text, i) => {
    const low = i < 4 ? -1 : text.windows.findIndex((window) => window < threshold);
    return low < 0 ? text : { ...text, votes: 0, tokens: low + WINDOW };
  });
  const consistent =
    redrawn &&
    drawn.slice(0, 4).map((text, i) => ({
      ...text,
      votes: redrawn[i].answer === text.answer ? 1 : 0.5,
      tokens: text.tokens + redrawn[i].tokens,
    }));
  return {
    "count, 4 texts": drawn.slice(0, 4),
    "count, 6 texts": drawn.slice(0, 6),
    [BASE]: drawn.slice(0, 16),
    "probability, 4 texts": byProbability(drawn.slice(0, 4)),
    "probability, 4 texts, exponent .5": byProbability(drawn.slice(0, 4), 0.5),
    "probability, 8 texts": byProbability(drawn.slice(0, 8)),
    "probability, 16 texts": byProbability(drawn.slice(0, 16)),
    "count, 4 without replacement": distinct.slice(0, 4),
    "count, 6 without replacement": distinct.slice(0, 6),
    "probability, 4 without replacement": byProbability(distinct.slice(0, 4)),
    ...(consistent && { "4 texts, ends redrawn once": consistent }),
    "4 of 8 texts, no low window": confident,
  };
}

/** Returns the answer with the most votes, on a tie the first. */
function elect(texts) {
  const votes = new Map();
  for (const text of texts) {
    if (text.answer !== null) votes.set(text.answer, (votes.get(text.answer) ?? 0) + text.votes);
  }
  return [...votes].reduce((a, b) => (b[1] > a[1] ? b : a), [null, -1])[0];
}
