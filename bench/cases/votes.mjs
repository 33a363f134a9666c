import { createHash } from "node:crypto";
import { canonicalAnswer, greedy, loadModel, majority, miniGsm } from "llama-ets";
import { keptLines } from "../lib/kept-lines.mjs";
import { showProgress } from "../lib/progress.mjs";
import { mean, pairedDifference, wilson } from "../lib/statistics.mjs";
import { fixed, interval, percent } from "../lib/table.mjs";

export const votesOptions = {
  first: 0,
  limit: 1000,
  seed: 0,
  model: "mini-gsm-ref",
  maxTokens: 120,
  /** Temperatures, separated by commas. */
  temperatures: "0.7,1",
  /** Names of votes, separated by commas. Default: all. The baseline is always included. */
  only: "",
  /**
   * The number of choices that each question offers, including its answer, at most 11. 0 means no choices.
   */
  choices: 0,
  file: "runs/votes.jsonl",
};

/**
 * The baseline of all comparisons. Suffixes of other votes: -half has exponent 0.5, -certain stops when no
 * other text can change the vote, sequential stops by the sequential test after every four texts, and first
 * stops at the first of twelve texts with an answer.
 */
const BASE = "majority@16";
const VOTES = {
  [BASE]: { candidates: 16 },
  "majority@4": { candidates: 4 },
  "probability@4": { candidates: 4, votes: "probability" },
  "probability@4-half": { candidates: 4, votes: "probability", voteExponent: 0.5 },
  "probability-certain": {
    candidates: 8,
    votes: "probability",
    adaptive: { round: 2 },
  },
  sequential: { candidates: 16, adaptive: { round: 4 } },
  first: { candidates: 12, adaptive: { rule: "unanimous", round: 1 } },
};

/**
 * Compares votes of few texts with the count of sixteen texts on held-out mini-gsm items. With `choices` a
 * text whose result isn't among the choices gives no answer; the prompt doesn't contain the choices. An
 * interrupted run resumes from `file`.
 */
export async function votes(given) {
  const options = { ...votesOptions, ...given };
  const { maxTokens, first, limit, seed, temperatures, choices } = options;
  const chosen = options.only === "" ? Object.keys(VOTES) : [BASE, ...options.only.split(",")];
  const kinds = Object.entries(VOTES).filter(([name]) => chosen.includes(name));
  const kept = await keptLines(options.file);
  const model = await loadModel(options.model, { gpu: false, threads: 1 });
  const items = (await miniGsm.load())
    .map((item, i) => ({ ...item, i, extract: extractorOf(item, choices) }))
    .slice(first, first + limit);
  const entries = [["greedy", "–", greedy, { maxTokens }]];
  for (const temperature of String(temperatures).split(",").map(Number)) {
    for (const [name, own] of kinds) {
      entries.push([name, temperature, majority, { maxTokens, ...own, temperature }]);
    }
  }
  // All votes run item by item, so that other load on the machine affects all of them equally.
  const tallies = entries.map(() => []);
  for (const [done, item] of items.entries()) {
    for (const [j, [name, , method, settings]] of entries.entries()) {
      const all = { ...settings, seed: seed * 1_000_003 + item.i };
      const key = JSON.stringify([name, options.model, item.id, choices, all]);
      tallies[j].push(await kept.get(key, () => runOne(model, item, method, all)));
    }
    showProgress(`${done + 1}/${items.length}`, done + 1 === items.length);
  }
  await model.dispose();
  const rows = entries.map(([method, temperature], j) => {
    const right = tallies[j].map(({ isRight }) => isRight);
    const count = right.filter(Boolean).length;
    const meanOf = (key) => mean(tallies[j].map((outcome) => Number(outcome[key])));
    const tokens = meanOf("tokens");
    // Greedy is compared with the baseline at the first temperature.
    const base = entries.findIndex(
      ([name, t]) => name === BASE && (t === temperature || temperature === "–"),
    );
    return {
      method,
      temperature,
      accuracy: count / right.length,
      ci95: wilson(count, right.length),
      difference: pairedDifference(
        right,
        tallies[base].map(({ isRight }) => isRight),
      ),
      tokens,
      decoded: meanOf("decoded"),
      ms: meanOf("ms"),
      unanswered: meanOf("hasNone"),
      share: tokens / mean(tallies[base].map((outcome) => outcome.tokens)),
    };
  });
  const many = rows.find(({ method }) => method === BASE);
  const few = rows.find(({ method }) => method === "probability@4") ?? many;
  return {
    title: "Votes of few texts, against sixteen counted ones",
    ratio: few.accuracy / many.accuracy,
    ours: 100 * few.accuracy,
    theirs: 100 * many.accuracy,
    unit: "% right: probability@4, majority@16",
    note: `mini-gsm, ${items.length} held-out items from number ${first} on${choices === 0 ? "" : `, each with ${choices} numbers to choose from`}, seed ${seed}, ${options.model}, one thread. Differences from ${BASE} at the same temperature (of greedy: at the first) are paired, in points, with 95% intervals; tokens and milliseconds of the processor are means of an item.`,
    columns: [
      ...["method", "T", "accuracy %", "95% interval", "difference", "95% interval"],
      ...["no answer %", "tokens", "of @16's", "decoded", "ms"],
    ],
    rows: rows.map((r) => [
      ...[r.method, r.temperature, percent(r.accuracy), interval(r.ci95)],
      ...[signed(r.difference.mean), `[${r.difference.ci95.map(signed).join(", ")}]`],
      ...[percent(r.unanswered), fixed(r.tokens, 0), fixed(r.share, 2)],
      ...[fixed(r.decoded, 0), fixed(r.ms, 0)],
    ]),
    details: rows,
  };
}

async function runOne(model, item, method, options) {
  const before = process.cpuUsage();
  const { answer, usage } = await method(model, item.prompt, { ...options, extract: item.extract });
  const { user, system } = process.cpuUsage(before);
  return {
    isRight: answer === item.gold,
    hasNone: answer === null,
    tokens: usage.generated,
    decoded: usage.decoded,
    ms: (user + system) / 1000,
  };
}

/**
 * Returns the extractor of a text's answer. With choices it accepts only the numbers that the question
 * offers.
 */
function extractorOf({ id, gold }, choices) {
  if (choices === 0) return miniGsm.extract;
  const offered = numbersBeside(id, Number(gold), choices).map(String);
  return (text) => {
    const found = miniGsm.extract(text);
    return found !== null && offered.includes(canonicalAnswer(found)) ? found : null;
  };
}

/**
 * Returns the answer and other integers from half of it to its double (at least to 10). They depend only on
 * the id.
 */
function numbersBeside(id, gold, count) {
  const least = Math.floor(gold / 2);
  const span = Math.max(2 * gold, 10) - least + 1;
  const numbers = new Set([gold]);
  for (let i = 0; numbers.size < count; i++) {
    const bits = createHash("sha256").update(`${id} ${i}`).digest().readUInt32BE();
    numbers.add(least + (bits % span));
  }
  return [...numbers];
}

function signed(share) {
  const points = 100 * share;
  return `${points < 0 ? "−" : "+"}${Math.abs(points).toFixed(1)}`;
}
