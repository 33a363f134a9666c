/** Summarises a run, method by method. */

import { groupBy } from "../group-by.js";
import { wilsonInterval } from "../statistics/wilson.js";
import { isVoteSettled, measuredSamples } from "./item-votes.js";
import {
  type GradedSample,
  gradedOf,
  type MethodSummary,
  type RunRecord,
  type Sample,
  type Summary,
} from "./run-files.js";

/** Returns the content of `summary.json` for these samples. */
export function summarise(run: RunRecord, samples: readonly Sample[]): Summary {
  const rows = run.methods
    .map(({ name }) => [name, samples.filter(({ method }) => method === name)] as const)
    .filter(([, own]) => own.length > 0)
    .map(([name, own]) => {
      const measured = summaryOf(measuredSamples(run, own));
      return [name, { ...measured, ...(run.budget && { votes: votesOf(run, own) }) }];
    });
  return { task: run.task, methods: Object.fromEntries(rows) };
}

/** Counts the samples that voted, and the items whose vote is settled. */
export function votesOf(
  { samples: most }: Pick<RunRecord, "samples">,
  samples: readonly Sample[],
): NonNullable<MethodSummary["votes"]> {
  const votes = [...groupBy(gradedOf(samples), ({ item }) => item).values()];
  return {
    samples: votes.flat().length,
    settled: votes.filter((own) => own.length >= most || isVoteSettled(own, most)).length,
  };
}

/** Returns the mean rewards over the samples that have rewards. */
export function meanRewards(
  samples: readonly GradedSample[],
): Pick<MethodSummary, "reward" | "bestReward"> {
  const meanOf = (name: "reward" | "bestReward") => {
    const values = samples.flatMap((sample) => sample[name] ?? []);
    if (values.length === 0) return {};
    return { [name]: values.reduce((a, b) => a + b, 0) / values.length };
  };
  return { ...meanOf("reward"), ...meanOf("bestReward") };
}

/**
 * Returns the mean scores over the samples that have scores, and those of each category over the samples that
 * have it.
 */
function meanScores(samples: readonly GradedSample[]): Pick<MethodSummary, "score" | "categories"> {
  const scores = samples.flatMap(({ score }) => score ?? []);
  if (scores.length === 0) return {};
  const byCategory = new Map<string, number[]>();
  for (const { categories = {} } of samples) {
    for (const [name, score] of Object.entries(categories)) {
      byCategory.set(name, [...(byCategory.get(name) ?? []), score]);
    }
  }
  const means = [...byCategory].map(([name, own]) => [name, meanOf(own)]);
  return {
    score: meanOf(scores),
    ...(means.length > 0 && { categories: Object.fromEntries(means) }),
  };
}

function meanOf(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
}

function summaryOf(samples: readonly Sample[]): MethodSummary {
  const graded = gradedOf(samples);
  const correct = graded.filter((sample) => sample.correct).length;
  const totalOf = (usages: readonly Record<"generated" | "prefilled" | "scored", number>[]) => {
    const total = (name: "generated" | "prefilled" | "scored") =>
      usages.reduce((sum, usage) => sum + usage[name], 0);
    return {
      generated: total("generated"),
      prefilled: total("prefilled"),
      scored: total("scored"),
    };
  };
  const proposals = graded.flatMap(({ proposalUsage }) => proposalUsage ?? []);
  return {
    n: graded.length,
    accuracy: graded.length === 0 ? null : correct / graded.length,
    ci95: graded.length === 0 ? null : wilsonInterval(correct, graded.length),
    failed: samples.length - graded.length,
    ...meanScores(graded),
    ...meanRewards(graded),
    ...totalOf(graded.map(({ usage }) => usage)),
    ...(proposals.length > 0 && { proposal: totalOf(proposals) }),
    ms: graded.reduce((sum, { usage }) => sum + usage.ms, 0),
  };
}
