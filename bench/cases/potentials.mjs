import { bestOfN, loadModel, particle } from "llama-ets";
import { keptLines } from "../lib/kept-lines.mjs";
import { showProgress } from "../lib/progress.mjs";
import { meanInterval } from "../lib/statistics.mjs";
import { fixed } from "../lib/table.mjs";
import { WORDS } from "../lib/words.mjs";

export const potentialsOptions = {
  model: "",
  timed: 5,
  seed: 0,
  threads: 1,
  /**
   * Numbers of prompts: single ones, ranges, and ranges with a stride. A stride helps because the words of
   * adjacent prompts begin alike.
   */
  prompts: "100-119,200-1150/50",
  file: "runs/potentials.jsonl",
};

const BEST_OF = [8, 16, 32];
const MOST = Math.max(...BEST_OF);
/**
 * The settings with a potential, which is the share of the words used so far. The first row is compared with
 * all others.
 */
const POTENTIALS = [
  ["particle, 8, blocks of 16", particle, { candidates: 8, blockTokens: 16 }],
  ["particle, 8, blocks of 32", particle, { candidates: 8, blockTokens: 32 }],
];
const OURS = POTENTIALS[0][0];

/** Parses "3,10-12,20-40/10" as 3, 10, 11, 12, 20, 30 and 40. */
function numbersIn(ranges) {
  return ranges.split(",").flatMap((range) => {
    const [ends, stride = "1"] = range.split("/");
    const [from, to = from] = ends.split("-").map(Number);
    const count = Math.floor((to - from) / Number(stride)) + 1;
    return Array.from({ length: count }, (_, i) => from + Number(stride) * i);
  });
}

/** Returns six words for a story. They depend only on the prompt's number and the seed. */
function wordsOf(prompt, seed) {
  const left = [...WORDS];
  let state = (seed * 1_000_003 + prompt + 1) >>> 0;
  return Array.from({ length: 6 }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0; // Numerical Recipes' generator
    const [word] = left.splice(Math.floor((state / 2 ** 32) * left.length), 1);
    return word;
  });
}

/** Returns the share of the words that a text has used so far, from 0 to 1. */
function shareUsed(words) {
  const patterns = words.map((word) => new RegExp(`\\b${word}s?\\b`, "i"));
  return ({ text }) => patterns.filter((pattern) => pattern.test(text)).length / words.length;
}

/**
 * Stories of four sentences that should use six given words, on any instruct model: compares particles with a
 * potential (the share of the words used so far) with the best of n. All methods run prompt by prompt; an
 * interrupted run resumes from `file`. The best of 8 and of 16 are chosen from the first of the 32 texts.
 * Their times are measured on the first `timed` prompts as CPU seconds of one thread, which other load on the
 * machine doesn't affect.
 */
export async function potentials(given) {
  const options = { ...potentialsOptions, ...given };
  const { model: source, prompts, timed, seed, threads, file } = options;
  const numbers = numbersIn(prompts);
  if (source === "") throw new Error("Expected --model, an instruct model's GGUF file");
  const model = await loadModel(source, { threads });
  const { description } = model.info;
  const kept = await keptLines(file);
  /** By method: the outcomes of all prompts, and the times of the timed prompts. */
  const rows = new Map();
  const add = (name, outcome, ms) => {
    const row = rows.get(name) ?? { name, outcomes: [], ms: [] };
    rows.set(name, row);
    if (outcome !== null) row.outcomes.push(outcome);
    if (ms !== null) row.ms.push(ms);
  };
  for (const [done, i] of numbers.entries()) {
    const words = wordsOf(i, seed);
    const prompt = `Write a story of four sentences. Use these words: ${words.join(", ")}.`;
    const reward = shareUsed(words);
    const isTimed = done < timed;
    const run = (name, method, options) => {
      const key = [name, description, prompt, seed].join("|");
      showProgress(`${name} ${done + 1}/${numbers.length}`, done + 1 === numbers.length);
      return kept.get(key, () =>
        timedRun(() =>
          method(model, prompt, {
            temperature: 0.8,
            maxTokens: 160,
            lambda: 0.05,
            seed: seed * 1_000_003 + i,
            ...options,
            reward,
          }),
        ),
      );
    };
    for (const n of BEST_OF.filter((count) => count < MOST && isTimed)) {
      const { ms } = await run(`best of ${n}`, bestOfN, { candidates: n });
      add(`best of ${n}`, null, ms);
    }
    const { texts, ms } = await run(`best of ${MOST}`, bestOfN, { candidates: MOST });
    for (const n of BEST_OF) {
      add(`best of ${n}`, bestOf(texts.slice(0, n)), n === MOST ? ms : null);
    }
    for (const [name, method, size] of POTENTIALS) {
      const outcome = await run(name, method, { ...size, potential: reward });
      add(name, outcome, outcome.ms);
    }
  }
  await model.dispose();

  const ours = rows.get(OURS);
  const others = [...rows.values()].filter((row) => row !== ours);
  const tokensOf = ({ outcomes }) => mean(outcomes.map(({ tokens }) => tokens));
  const rival = rows.get("best of 16");
  return {
    title: "Six given words in a story",
    ratio: tokensOf(rival) / tokensOf(ours),
    ours: tokensOf(ours),
    theirs: tokensOf(rival),
    unit: `tokens a story: ${OURS}, best of 16`,
    note: [
      `${numbers.length} prompts, numbers ${prompts}, seed ${seed}, ${description} on ${threads} ${threads === 1 ? "thread" : "threads"}, T = .8, λ = .05, texts of at most 160 tokens: means a story [95% interval]. A reward is the share of the words that a story uses. Best seen: what \`finish: "best"\` returns. Seconds of processor time; of the best of 8 and of 16 they are those of ${Math.min(timed, numbers.length)} prompts.`,
      ...others.map((row) => compared(ours, row)),
    ].join("\n\n"),
    columns: ["method", "reward", "best seen", "tokens", "s"],
    rows: [...rows.values()].map(({ name, outcomes, ms }) => [
      name,
      cell(outcomes.map(({ reward }) => reward)),
      cell(outcomes.map(({ best }) => best)),
      fixed(mean(outcomes.map(({ tokens }) => tokens)), 0),
      ms.length === 0 ? "–" : fixed(mean(ms) / 1000, 1),
    ]),
  };
}

/**
 * Runs a method and returns its outcome, the rewards and lengths of its last texts, and its CPU time in
 * milliseconds.
 */
async function timedRun(run) {
  const before = process.cpuUsage();
  const result = await run();
  const { user, system } = process.cpuUsage(before);
  const { candidates } = result.steps.at(-1);
  return {
    reward: result.reward,
    best: result.best.reward,
    tokens: result.usage.generated,
    ms: (user + system) / 1000,
    texts: candidates.map(({ tokens, completions: [own] }) => [own?.reward ?? null, tokens.length]),
  };
}

/** Returns the outcome of the best of some texts, each given by its reward and tokens. */
function bestOf(texts) {
  const reward = Math.max(...texts.map(([earned]) => earned));
  return { reward, best: reward, tokens: texts.reduce((sum, [, tokens]) => sum + tokens, 0) };
}

function mean(values) {
  return values.reduce((a, b) => a + b, 0) / values.length;
}

function cell(values) {
  const { mean: middle, ci95 } = meanInterval(values);
  return `${fixed(middle, 3)} [${ci95.map((bound) => fixed(bound, 3)).join(", ")}]`;
}

function compared(ours, { name, outcomes }) {
  const difference = (of) => cell(ours.outcomes.map((outcome, i) => of(outcome) - of(outcomes[i])));
  const total = (all) => all.reduce((sum, { tokens }) => sum + tokens, 0);
  const tokens = (100 * total(ours.outcomes)) / total(outcomes);
  return `${OURS} less ${name}, paired: reward ${difference(({ reward }) => reward)}, best seen ${difference(({ best }) => best)}, with ${fixed(tokens, 0)}% of its tokens.`;
}
