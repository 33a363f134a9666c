import { writeFile } from "node:fs/promises";
import { bestOfN, ets, loadModel, majority, miniGsm, sample, selfConsistency } from "llama-ets";
import { frontierPlot } from "../lib/frontier-plot.mjs";
import { showProgress } from "../lib/progress.mjs";
import { signTest, wilson } from "../lib/statistics.mjs";
import { fixed, interval, percent } from "../lib/table.mjs";

const SHARED = { extract: miniGsm.extract, maxTokens: 120 };
const GUIDED = {
  ...SHARED,
  reward: selfConsistency({ extract: miniGsm.extract, answerEnd: miniGsm.answerEnd }),
};
/** The paper's settings for Qwen3-1.7B on GSM8K, at the model's temperature. A text has 8 blocks there. */
const PAPER = { ...GUIDED, candidates: 15, rollouts: 3 };
const GROUPS = {
  sample: [["sample", sample, SHARED]],
  majority: [2, 4, 8, 16, 32].map((n) => [`majority@${n}`, majority, { ...SHARED, candidates: n }]),
  "best-of-n": [["best-of-16", bestOfN, { ...GUIDED, candidates: 16 }]],
  "ETS, paper": [
    ["ets, M 15, K 3, I 8", ets, { ...PAPER, steps: 8 }],
    ["ets, M 15, K 3, B 64", ets, { ...PAPER, blockTokens: 64 }],
  ],
  ETS: [["ets, M 8, K 1, B 16", ets, { ...GUIDED, candidates: 8, blockTokens: 16 }]],
  "ETS-IS": [["ets-is, M 8, K 1, B 16", ets, { ...GUIDED, candidates: 8, blockTokens: 16 }]],
  "adaptive ETS": [
    [
      "adaptive, 8, .8",
      ets,
      { ...GUIDED, candidates: 8, adaptive: { rule: "beta", confidence: 0.8, round: 2 } },
    ],
    [
      "adaptive, 12, .9",
      ets,
      { ...GUIDED, candidates: 12, adaptive: { rule: "beta", confidence: 0.9, round: 2 } },
    ],
    ["adaptive, 32, .95", ets, { ...GUIDED, adaptive: { rule: "beta" } }],
    [
      "adaptive, guided: 16, B 32",
      ets,
      { ...GUIDED, candidates: 16, blockTokens: 32, adaptive: { rule: "beta" } },
    ],
  ],
};

/**
 * Measures accuracy against tokens and seconds on held-out mini-gsm items. All methods run item by item, so
 * that other load on the machine affects all of them equally. A paired sign test compares each adaptive run
 * with the cheapest majority vote that generates at least as many tokens, and with ETS at the paper's
 * settings.
 */
export async function frontier({ limit = 500, seed = 0, quick, plot }) {
  const model = await loadModel("mini-gsm-ref");
  const proposal = await loadModel("mini-gsm-proposal");
  const items = (await miniGsm.load()).slice(0, quick ? 3 : limit);
  const rows = Object.entries(GROUPS).flatMap(([group, methods]) =>
    methods.map(([name, method, settings]) => {
      const options = group === "ETS-IS" ? { ...settings, proposal } : settings;
      return { group, name, method, options, right: [], generated: 0, decoded: 0, ms: 0 };
    }),
  );
  for (const [i, item] of items.entries()) {
    for (const row of rows) {
      const options = { ...row.options, seed: seed * 1_000_003 + i, prefixCache: false };
      const { answer, usage, proposalUsage } = await row.method(model, item.prompt, options);
      row.right.push(answer === item.gold);
      row.generated += usage.generated + (proposalUsage?.generated ?? 0);
      row.decoded += usage.decoded + usage.scored + (proposalUsage?.decoded ?? 0);
      row.ms += usage.ms;
    }
    showProgress(`frontier ${i + 1}/${items.length}`, i + 1 === items.length);
  }
  await proposal.dispose();
  await model.dispose();

  const points = rows.map(({ group, name, right, generated, decoded, ms }) => ({
    group,
    name,
    right,
    accuracy: share(right),
    ci95: wilson(right.filter(Boolean).length, right.length),
    generated: generated / items.length,
    decoded: decoded / items.length,
    ms: ms / items.length,
  }));
  const paper = points.find(({ group }) => group === "ETS, paper");
  const pairs = points
    .filter(({ group }) => group === "adaptive ETS")
    .map((point) => ({ point, vote: cheapestVote(points, point) }));
  if (plot) await writeFile(plot, frontierPlot(points));
  const best = pairs.find(({ point }) => point.name === "adaptive, 8, .8");
  return {
    title: "Accuracy against tokens",
    ratio: paper.generated / best.point.generated,
    ours: best.point.generated,
    theirs: paper.generated,
    unit: `tokens an answer: ${best.point.name} (${percent(best.point.accuracy)}%), ETS at the paper's settings (${percent(paper.accuracy)}%)`,
    note: [
      `mini-gsm, ${items.length} held-out items, seed ${seed}. Generated: tokens of all texts drawn, the proposal's included. Decoded: tokens that went through a model, scored ones included; what draws have in common counts once.`,
      ...pairs.map(({ point, vote }) => compared(point, vote)),
      ...pairs.map(({ point }) => compared(point, paper)),
    ].join("\n\n"),
    columns: ["method", "accuracy %", "95% interval", "generated", "decoded", "ms"],
    rows: points.map((p) => [
      ...[p.name, percent(p.accuracy), interval(p.ci95)],
      ...[fixed(p.generated, 0), fixed(p.decoded, 0), fixed(p.ms, 0)],
    ]),
    details: points.map(({ right, ...point }) => point),
  };
}

function cheapestVote(points, { generated }) {
  const votes = points.filter(({ group }) => group === "majority");
  return votes.find((vote) => vote.generated >= generated) ?? votes.at(-1);
}

function compared(a, b) {
  const [won, lost] = [a, b].map((one) => {
    const other = one === a ? b : a;
    return one.right.filter((right, i) => right && !other.right[i]).length;
  });
  const tokens = (100 * a.generated) / b.generated;
  return `${a.name} against ${b.name}: ${won} items won, ${lost} lost (sign test p = ${signTest(won, lost).toFixed(2)}), with ${tokens.toFixed(0)}% of its tokens.`;
}

function share(right) {
  return right.filter(Boolean).length / right.length;
}
