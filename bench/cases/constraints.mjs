import { bestOfN, loadModel, particle, sample } from "llama-ets";
import { showProgress } from "../lib/progress.mjs";
import { mean } from "../lib/statistics.mjs";
import { fixed } from "../lib/table.mjs";

export const constraintsOptions = {
  model: "",
  topics: 20,
  schemas: 10,
  candidates: 8,
  /** Block lengths in tokens, separated by commas. */
  blockTokens: "1,2,4",
  /** Kinds of runs, separated by commas. */
  only: "free,words,potential,json,speed",
  /** The number of measurements of each speed. */
  rounds: 5,
  maxTokens: 60,
  seed: 0,
};

const TOPICS =
  "the sea,a clock,winter,bread,a teacher,the moon,a train,music,a garden,friendship,a river,the city,a dog,rain,a book,coffee,the forest,a bridge,summer,a letter".split(
    ",",
  );
const WORDS = 12;
const SCHEMA = {
  type: "object",
  properties: { name: { type: "string", maxLength: 40 }, count: { type: "integer", minimum: 0 } },
  required: ["name", "count"],
};

/**
 * Measures how many sentences of exactly twelve words and JSON texts of two fields are right, and their cost.
 */
export async function constraints(given) {
  const options = { ...constraintsOptions, ...given };
  const { candidates, maxTokens, seed } = options;
  const topics = TOPICS.slice(0, options.topics);
  const named = (topic) => {
    const word = topic.split(" ").at(-1);
    return ({ text }) => Number(text.toLowerCase().includes(word));
  };
  const isRight = ({ text }) =>
    text.split(" ").filter((word) => /[\p{L}\p{N}]/u.test(word)).length === WORDS;
  const sentence = (topic) => `Write one sentence about ${topic}. Use exactly twelve words.`;
  const words = { constraint: { words: WORDS }, candidates, maxTokens };
  const model = await loadModel(options.model, { threads: 1, gpu: false });
  const rows = [];
  let speeds = [];
  try {
    const free = { candidates, maxTokens };
    await measure("free", "free, the best by a reward", bestOfN, topics, sentence, (topic) => {
      return { ...free, reward: (text) => Number(isRight(text)), named: named(topic) };
    });
    for (const blockTokens of String(options.blockTokens).split(",").map(Number)) {
      const blocks = `blocks of ${blockTokens}`;
      const shape = { ...words, blockTokens };
      await measure("words", `words, ${blocks}`, particle, topics, sentence, (topic) => {
        return { ...shape, named: named(topic) };
      });
      await measure(
        "potential",
        `words, a potential for the topic, ${blocks}`,
        particle,
        topics,
        sentence,
        (topic) => {
          return { ...shape, potential: named(topic), lambda: 0.1, named: named(topic) };
        },
      );
    }
    const things = topics.slice(0, options.schemas);
    const asks = (topic) => `Give JSON with a name and a count of something about ${topic}.`;
    const shape = { constraint: { json: SCHEMA }, maxTokens, isRight: isValid };
    await measure("json", "json, one text", sample, things, asks, () => shape);
    await measure("json", "json, blocks of 2", particle, things, asks, () => {
      return { ...shape, candidates, blockTokens: 2 };
    });
    if (options.only.split(",").includes("speed")) speeds = await speedsOf(model, options);
  } finally {
    await model.dispose();
  }

  async function measure(kind, name, method, prompts, promptOf, optionsOf) {
    if (!options.only.split(",").includes(kind)) return;
    const runs = [];
    for (const [i, topic] of prompts.entries()) {
      const { named: names, isRight: check = isRight, ...own } = optionsOf(topic);
      const before = process.cpuUsage();
      const result = await method(model, promptOf(topic), { ...own, seed: seed + i });
      const { user, system } = process.cpuUsage(before);
      const logProb = result.logProbs.reduce((a, b) => a + b, 0);
      const isEnded = result.stopReason === "end";
      runs.push({
        logProb,
        logNormaliser: result.logNormaliser,
        cpu: (user + system) / 1e6,
        right: Number(isEnded && check(result)),
        named: names?.(result) ?? Number.NaN,
        text: result.text,
      });
      showProgress(`${name} ${i + 1}/${prompts.length}`, i + 1 === prompts.length);
    }
    const sum = (key) => runs.reduce((total, run) => total + run[key], 0);
    const of = (key) => mean(runs.map((run) => run[key] ?? Number.NaN));
    const count = (key) => (Number.isNaN(sum(key)) ? "–" : `${sum(key)} of ${runs.length}`);
    rows.push({
      name,
      right: count("right"),
      named: count("named"),
      cpu: of("cpu"),
      logProb: of("logProb"),
      logNormaliser: of("logNormaliser"),
      texts: runs.map(({ text }) => text),
    });
    console.error(JSON.stringify(rows.at(-1))); // so that an interrupted study keeps its rows
  }

  return {
    title: "Constraints",
    ratio: null,
    ours: null,
    theirs: null,
    unit: "",
    runs: rows,
    speeds,
    note: [
      `${candidates} candidates, up to ${maxTokens} tokens, temperature 0.7; one thread.`,
      ...speeds.map(({ name, perSecond, ratio }) => {
        return `${name}: ${fixed(perSecond, 0)} tokens a CPU second, ${fixed(ratio, 2)} of unconstrained`;
      }),
    ].join("\n"),
    columns: ["run", "right", "topic named", "CPU s a prompt", "mean log p_ref", "mean log Ẑ"],
    rows: rows.map(({ name, right, named: names, cpu, logProb, logNormaliser }) => [
      ...[name, right, names, fixed(cpu, 2), fixed(logProb, 1)],
      Number.isNaN(logNormaliser) ? "–" : fixed(logNormaliser, 1),
    ]),
  };
}

const ENTRY = {
  type: "object",
  properties: { name: { type: "string" }, year: { type: "integer" }, tags: { type: "array" } },
  required: ["name", "year", "tags"],
};
/** Constraints whose texts continue until `maxTokens`, so that all have the same length. */
const ENDLESS = [
  { name: "unconstrained" },
  { name: "json, a list of objects", constraint: { json: { type: "array", items: ENTRY } } },
  { name: "json, a list of anything", constraint: { json: { type: "array", minItems: 50 } } },
  { name: "lines", constraint: { lines: 100 } },
  { name: "regex, sentences", constraint: { regex: "([A-Z][a-z]*(,? [A-Za-z]+){2,14}\\. ){50}" } },
];

/** Measures tokens per CPU second with eight texts. Each round measures the constraints one after another. */
async function speedsOf(model, { rounds, maxTokens, seed }) {
  const spent = ENDLESS.map(() => ({ tokens: 0, cpu: 0 }));
  const prompt = "Write a long list of famous books, as JSON: each with its name, year and tags.";
  for (let round = -1; round < rounds; round++) {
    for (const [i, { name, constraint }] of ENDLESS.entries()) {
      const options = { candidates: 8, maxTokens, seed: seed + round + 1, reward: () => 0 };
      const before = process.cpuUsage();
      const { usage } = await bestOfN(model, prompt, { ...options, constraint });
      const { user, system } = process.cpuUsage(before);
      showProgress(`speed ${round + 1}/${rounds} ${name}`);
      // the first round is a warm-up: it reads the prompt and compiles the constraint
      if (round < 0) continue;
      spent[i].tokens += usage.generated;
      spent[i].cpu += (user + system) / 1e6;
    }
  }
  const perSecond = spent.map(({ tokens, cpu }) => tokens / cpu);
  return ENDLESS.map(({ name }, i) => ({
    name,
    perSecond: perSecond[i],
    ratio: perSecond[i] / perSecond[0],
    tokens: spent[i].tokens,
  }));
}

function isValid({ text }) {
  try {
    const { name, count } = JSON.parse(text);
    return typeof name === "string" && Number.isInteger(count) && count >= 0;
  } catch {
    return false;
  }
}
