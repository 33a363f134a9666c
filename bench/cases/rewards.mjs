import { appendFile, mkdir, readFile } from "node:fs/promises";
import path from "node:path";
import {
  bestOfN,
  confidence,
  entropy,
  ets,
  loadModel,
  miniGsm,
  oracle,
  regexVerifier,
  rewardModel,
  sample,
  selfCertainty,
  selfConsistency,
} from "llama-ets";
import { showProgress } from "../lib/progress.mjs";
import { wilson } from "../lib/statistics.mjs";
import { interval, percent } from "../lib/table.mjs";

export const rewardsOptions = { limit: 200, seed: 0, temperature: 0.7, file: "runs/rewards.jsonl" };

const extract = (text) => miniGsm.extract(text);
/** A smaller λ for certainty rewards, which vary only by hundredths. Other rewards have the default. */
const CERTAINTY = { lambda: 0.01 };

const REWARDS = (judge) => ({
  "self-consistency": { of: () => selfConsistency({ extract }) },
  confidence: { of: () => confidence(), ...CERTAINTY },
  entropy: { of: () => entropy(), ...CERTAINTY },
  "self-certainty": { of: () => selfCertainty(), ...CERTAINTY },
  "verifier: format": { of: () => regexVerifier(String.raw`\n#### \d+\s*$`) },
  "reward model": { of: () => rewardModel(judge) },
  oracle: { of: ({ gold }) => oracle(gold, { extract }) },
});

/** 12 whole texts and 8 candidates in blocks of 16 tokens take about as many generated tokens. */
const METHODS = (proposal) => ({
  "best-of-12": [bestOfN, { candidates: 12 }],
  ETS: [ets, { candidates: 8, blockTokens: 16 }],
  "ETS-IS": [ets, { candidates: 8, blockTokens: 16, proposal }],
});

/**
 * Measures the accuracy of every reward with three methods on held-out mini-gsm items. An interrupted run
 * resumes from `file`.
 */
export async function rewards(given) {
  const { limit, seed, temperature, file } = { ...rewardsOptions, ...given };
  const model = await loadModel("mini-gsm-ref");
  const proposal = await loadModel("mini-gsm-proposal");
  const judge = await loadModel("mini-gsm-verifier");
  const items = (await miniGsm.load()).slice(0, limit);
  await mkdir(path.dirname(file), { recursive: true });
  const kept = await readKept(file);
  /** Answers all items with a method and returns the table cell: accuracy with its interval, and tokens. */
  const measure = async (name, method, answer) => {
    const outcomes = [];
    for (const [i, item] of items.entries()) {
      const key = [name, method, item.id, seed, temperature].join("|");
      if (!kept.has(key)) {
        const shared = { extract, temperature, maxTokens: 120, seed: seed * 1_000_003 + i };
        const result = await answer(item, shared);
        const { usage, proposalUsage } = result;
        const tokens = usage.generated + (proposalUsage?.generated ?? 0);
        kept.set(key, { key, right: result.answer === item.gold, tokens });
        await appendFile(file, `${JSON.stringify(kept.get(key))}\n`);
      }
      outcomes.push(kept.get(key));
      showProgress(`${name}, ${method} ${i + 1}/${items.length}`, i + 1 === items.length);
    }
    const right = outcomes.filter((outcome) => outcome.right).length;
    const tokens = outcomes.reduce((sum, outcome) => sum + outcome.tokens, 0) / items.length;
    const range = interval(wilson(right, items.length));
    return `${percent(right / items.length)} ${range}, ${Math.round(tokens)}`;
  };
  const one = await measure("none", "sample", (item, shared) => sample(model, item.prompt, shared));
  const rows = [["none: one sample", one, "", ""]];
  for (const [name, { of, lambda = 0.1 }] of Object.entries(REWARDS(judge))) {
    const row = [name];
    for (const [method, [run, options]] of Object.entries(METHODS(proposal))) {
      const cell = await measure(name, method, async (item, shared) => {
        const reward = of(item);
        const result = await run(model, item.prompt, { ...options, ...shared, reward, lambda });
        await reward[Symbol.asyncDispose]?.();
        return result;
      });
      row.push(cell);
    }
    rows.push(row);
  }
  await Promise.all([model, proposal, judge].map((loaded) => loaded.dispose()));
  return {
    title: "Rewards at about equal tokens",
    note: `mini-gsm, ${items.length} held-out items, seed ${seed}, T = ${temperature}: accuracy % [95% interval], tokens an item.`,
    columns: ["reward", "best-of-12", "ETS", "ETS-IS"],
    rows,
  };
}

/** Reads the answers of an earlier run by their keys. An incomplete last line is dropped. */
async function readKept(file) {
  const lines = (await readFile(file, "utf8").catch(() => "")).split("\n").slice(0, -1);
  return new Map(lines.map((line) => JSON.parse(line)).map((answer) => [answer.key, answer]));
}
