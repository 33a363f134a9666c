import { bestOfN, ets, loadModel, particle } from "llama-ets";
import { keptLines } from "../lib/kept-lines.mjs";
import { showProgress } from "../lib/progress.mjs";
import { meanInterval } from "../lib/statistics.mjs";
import { fixed } from "../lib/table.mjs";

export const potentialsOptions = {
  ...{ model: "", limit: 40, seed: 0, threads: 1, file: "runs/potentials.jsonl" },
};

/** A prompt asks for six of them; each is one that a story may well lack. */
const WORDS = `anchor apple barn basket bell bicycle blanket bottle bread bridge brush bucket button
  cabin camel candle carpet castle chain cherry clock cloud coat compass copper cradle crown curtain
  desert diary donkey drum eagle engine farmer feather fence ferry fiddle flute forest fountain garden
  ghost glove guitar hammer harbor hat honey horse island ivory jacket jar kettle key kite ladder lamp
  lantern lemon letter library lighthouse lion lizard map marble market mirror monk moon mountain nest
  needle oar ocean orange owl paint parrot pencil piano pillow pirate pocket pumpkin puzzle rabbit
  raft ribbon river rope saddle sailor scarf shadow shovel silver sister skate snow spoon squirrel
  statue storm sugar sword table tailor teapot thread ticket tiger tower train trumpet turtle umbrella
  valley violin wagon wallet watch whale wheat whistle window winter wolf wool`.split(/\s+/);

const METHODS = [
  ["best of 8", bestOfN, { candidates: 8 }],
  ["best of 16", bestOfN, { candidates: 16 }],
  ["best of 32", bestOfN, { candidates: 32 }],
  ["particle, 8, potential", particle, { candidates: 8, blockTokens: 16 }, "potential"],
  ["ets, 8, potential", ets, { candidates: 8, blockTokens: 16 }, "potential"],
];
const OURS = "particle, 8, potential";

/** Six words of which a story may use some: numbers that depend on the prompt's alone. */
function wordsOf(prompt, seed) {
  const left = [...WORDS];
  let state = (seed * 1_000_003 + prompt + 1) >>> 0;
  return Array.from({ length: 6 }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0; // Numerical Recipes' generator
    const [word] = left.splice(Math.floor((state / 2 ** 32) * left.length), 1);
    return word;
  });
}

/** The share of the words that a text has used so far, from 0 to 1. */
function shareUsed(words) {
  const patterns = words.map((word) => new RegExp(`\\b${word}s?\\b`, "i"));
  return ({ text }) => patterns.filter((pattern) => pattern.test(text)).length / words.length;
}

/**
 * Stories of four sentences that should use six given words, on any instruct model: particles with a
 * potential, the share of the words used so far, against the best of n. Prompt by prompt over all
 * methods, so that whatever else the machine does falls on all alike; resumes from `file`.
 */
export async function potentials(given) {
  const { model: source, limit, seed, threads, file } = { ...potentialsOptions, ...given };
  if (source === "") throw new Error("Expected --model, an instruct model's GGUF file");
  const model = await loadModel(source, { threads });
  const kept = await keptLines(file);
  const outcomes = new Map(METHODS.map(([name]) => [name, []]));
  for (let i = 0; i < limit; i++) {
    const words = wordsOf(i, seed);
    const prompt = `Write a story of four sentences. Use these words: ${words.join(", ")}.`;
    const reward = shareUsed(words);
    for (const [name, method, options, by] of METHODS) {
      const key = [name, model.info.description, prompt, seed].join("|");
      const outcome = await kept.get(key, async () => {
        const result = await method(model, prompt, {
          ...{ temperature: 0.8, maxTokens: 160, lambda: 0.05, seed: seed * 1_000_003 + i },
          ...options,
          reward,
          ...(by === "potential" && { potential: reward }),
        });
        const { generated, ms } = result.usage;
        return { reward: result.reward, best: result.best.reward, tokens: generated, ms };
      });
      outcomes.get(name).push(outcome);
      showProgress(`${name} ${i + 1}/${limit}`, i + 1 === limit);
    }
  }
  const { description } = model.info;
  await model.dispose();

  const of = (name, value) => outcomes.get(name).map(value);
  const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;
  const tokens = (name) => mean(of(name, (o) => o.tokens));
  const pairs = METHODS.filter(([name]) => name !== OURS).map(([name]) =>
    compared(name, outcomes.get(OURS), outcomes.get(name)),
  );
  return {
    title: "Six given words in a story",
    ratio: tokens("best of 16") / tokens(OURS),
    ours: tokens(OURS),
    theirs: tokens("best of 16"),
    unit: `tokens a story: ${OURS}, best of 16`,
    note: [
      `${limit} prompts, seed ${seed}, ${description} on ${threads} ${threads === 1 ? "thread" : "threads"}, T = .8, λ = .05, blocks of 16 tokens, texts of at most 160: means a story [95% interval]; a reward is the share of the words that a story uses. Best seen: what \`finish: "best"\` returns.`,
      ...pairs,
    ].join("\n\n"),
    columns: ["method", "reward", "best seen", "tokens", "s"],
    rows: METHODS.map(([name]) => [
      name,
      cell(of(name, (o) => o.reward)),
      cell(of(name, (o) => o.best)),
      fixed(tokens(name), 0),
      fixed(mean(of(name, (o) => o.ms)) / 1000, 1),
    ]),
  };
}

function cell(values) {
  const { mean, ci95 } = meanInterval(values);
  return `${fixed(mean, 3)} [${ci95.map((bound) => fixed(bound, 3)).join(", ")}]`;
}

function compared(name, ours, theirs) {
  const difference = (value) => meanInterval(ours.map((o, i) => value(o) - value(theirs[i])));
  const say = ({ mean, ci95: [low, high] }) =>
    `${fixed(mean, 3)} [${fixed(low, 3)}, ${fixed(high, 3)}]`;
  const ratio = (value) =>
    ours.reduce((sum, o) => sum + value(o), 0) / theirs.reduce((sum, o) => sum + value(o), 0);
  const [tokens, seconds] = [ratio((o) => o.tokens), ratio((o) => o.ms)];
  return `${OURS} less ${name}, paired: reward ${say(difference((o) => o.reward))}, best seen ${say(difference((o) => o.best))}, with ${fixed(100 * tokens, 0)}% of its tokens and ${fixed(100 * seconds, 0)}% of its seconds.`;
}
