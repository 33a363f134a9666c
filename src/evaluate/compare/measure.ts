/** Measures accuracies, their costs and their differences over items, all with equal weight. */

import { percentileInterval, resampledMeans } from "../statistics/bootstrap.js";
import { holmAdjusted } from "../statistics/holm.js";
import { mcnemarPValue } from "../statistics/mcnemar.js";
import { bonettPriceInterval, tangoInterval } from "../statistics/paired.js";
import { wilsonInterval } from "../statistics/wilson.js";
import { measuredSamples } from "../store/item-votes.js";
import { type GradedSample, gradedOf, isFailed, type Sample } from "../store/run-files.js";
import { meanRewards, votesOf } from "../store/summary.js";
import type { ComparedMethod, Estimate, Pair } from "./comparison.js";
import type { Entry } from "./entries.js";

/** The measurements of an item, as means over its samples. */
interface ItemMeans {
  accuracy: number;
  kiloTokens: number;
  seconds: number;
}

/**
 * Measures the methods on the common items. If there are none, it measures each method on its own items and
 * returns no pairs. With a baseline, the other methods are compared only with the baseline.
 */
export function measure(
  entries: readonly Entry[],
  common: readonly string[],
  baseline?: string,
): { methods: ComparedMethod[]; pairs: Pair[] } {
  if (common.length === 0) {
    const methods = entries.map((entry) => {
      const own = [...entry.samples.keys()].filter((id) => gradedOfItem(entry, id).length > 0);
      const items = own.map((id) => meansOf(gradedOfItem(entry, id)));
      return methodOf(entry, own, resample([items])[0] as Resampled);
    });
    return { methods, pairs: [] };
  }
  const columns = entries.map((entry) => common.map((item) => meansOf(gradedOfItem(entry, item))));
  const resampled = resample(columns);
  const methods = entries.map((entry, i) => methodOf(entry, common, resampled[i] as Resampled));
  return { methods, pairs: pairsOf(methods, resampled, baseline) };
}

/** Returns the samples that measure a method on an item, or their vote. Failed samples are left out. */
function gradedOfItem({ run, samples }: Entry, item: string): GradedSample[] {
  return gradedOf(measuredSamples(run.run, samples.get(item) ?? []));
}

function meansOf(samples: readonly GradedSample[]): ItemMeans {
  const mean = (of: (sample: GradedSample) => number) =>
    samples.reduce((sum, sample) => sum + of(sample), 0) / samples.length;
  return {
    accuracy: mean(({ correct }) => (correct ? 1 : 0)),
    kiloTokens: mean(
      ({ usage, proposalUsage }) => (usage.generated + (proposalUsage?.generated ?? 0)) / 1000,
    ),
    seconds: mean(({ usage }) => usage.ms / 1000),
  };
}

/** The items of a method, and its means over the bootstrap's resamples of the items. */
interface Resampled {
  items: readonly ItemMeans[];
  accuracy: Float64Array;
  kiloTokens: Float64Array;
  seconds: Float64Array;
}

/** Resamples the items of all methods with the same random draws. */
function resample(methods: readonly (readonly ItemMeans[])[]): Resampled[] {
  const fields = ["accuracy", "kiloTokens", "seconds"] as const;
  const means = resampledMeans(
    methods.flatMap((items) => fields.map((field) => items.map((item) => item[field]))),
  );
  return methods.map((items, m) => {
    const [accuracy, kiloTokens, seconds] = means.slice(m * fields.length) as [
      Float64Array,
      Float64Array,
      Float64Array,
    ];
    return { items, accuracy, kiloTokens, seconds };
  });
}

function methodOf(entry: Entry, ids: readonly string[], resampled: Resampled): ComparedMethod {
  const graded = ids.flatMap((id) => gradedOfItem(entry, id));
  const all: Sample[] = [...entry.samples.values()].flat();
  const { items } = resampled;
  const mean = (of: (item: ItemMeans) => number) => meanOf(items.map(of));
  const tokens = (of: (sample: (typeof graded)[number]) => number) => meanOf(graded.map(of));
  const accuracy = mean((item) => item.accuracy);
  const isSingle = graded.length === items.length;
  const isConstant = items.every((item) => item.accuracy === items[0]?.accuracy);
  const ess = graded.flatMap(({ steps }) => steps.map((step) => step.ess));
  const weighs = ess.some((size) => size > 1 + 1e-9);
  const khats = graded.flatMap(({ steps }) => steps.flatMap(({ khat }) => khat ?? []));
  return {
    name: entry.name,
    run: entry.run.directory,
    method: entry.record?.method ?? entry.name,
    items: items.length,
    samples: graded.length,
    failed: all.filter(isFailed).length,
    accuracy,
    // If all items have the same accuracy, the bootstrap sees no spread. Then Wilson's interval is used, with
    // an item as a trial.
    ...(isSingle || isConstant
      ? { ci95: wilsonInterval(accuracy * items.length, items.length), interval: "wilson" }
      : { ci95: percentileInterval(resampled.accuracy), interval: "bootstrap" }),
    reward: null,
    bestReward: null,
    ...meanRewards(graded),
    tokens: {
      generated: tokens(({ usage }) => usage.generated),
      proposal: tokens(({ proposalUsage }) => proposalUsage?.generated ?? 0),
      prefilled: tokens(({ usage }) => usage.prefilled),
      scored: tokens(({ usage, proposalUsage }) => usage.scored + (proposalUsage?.scored ?? 0)),
    },
    seconds: tokens(({ usage }) => usage.ms / 1000),
    accuracyPer1kTokens: ratio(
      accuracy,
      mean((item) => item.kiloTokens),
      resampled.accuracy,
      resampled.kiloTokens,
    ),
    accuracyPerSecond: ratio(
      accuracy,
      mean((item) => item.seconds),
      resampled.accuracy,
      resampled.seconds,
    ),
    meanEss: weighs ? meanOf(ess) : null,
    ...(entry.run.run.budget && { votes: votesOf(entry.run.run, all) }),
    unreliable: khats.length > 0 ? khats.filter((k) => k > 0.7).length / khats.length : null,
  };
}

/** Returns the ratio of two means with its interval; 0 if the divisor is 0. */
function ratio(above: number, below: number, aboves: Float64Array, belows: Float64Array): Estimate {
  if (below === 0) return { value: 0, ci95: [0, 0] };
  const ratios = aboves.map((mean, i) => {
    const divisor = belows[i] as number;
    return divisor === 0 ? 0 : mean / divisor;
  });
  return { value: above / below, ci95: percentileInterval(ratios) };
}

function pairsOf(
  methods: readonly ComparedMethod[],
  resampled: readonly Resampled[],
  baseline: string | undefined,
): Pair[] {
  const isTested = (...pair: number[]) =>
    baseline === undefined || pair.some((i) => methods[i]?.name === baseline);
  const pairs = methods.flatMap((_, j) =>
    methods
      .slice(0, j)
      .flatMap((_, i) => (isTested(i, j) ? comparePair(methods, resampled, i, j) : [])),
  );
  const adjusted = holmAdjusted(pairs.map(({ pValue }) => pValue));
  return pairs.map((pair, i) => ({ ...pair, adjusted: adjusted[i] as number }));
}

function comparePair(
  methods: readonly ComparedMethod[],
  resampled: readonly Resampled[],
  i: number,
  j: number,
): Omit<Pair, "adjusted"> {
  const accuracyOf = (index: number) => (methods[index] as ComparedMethod).accuracy;
  const [a, b] = accuracyOf(j) >= accuracyOf(i) ? [j, i] : [i, j];
  const [better, worse] = [resampled[a] as Resampled, resampled[b] as Resampled];
  const differences = better.items.map(
    ({ accuracy }, item) => accuracy - (worse.items[item] as ItemMeans).accuracy,
  );
  const won = differences.filter((difference) => difference > 0).length;
  const lost = differences.filter((difference) => difference < 0).length;
  return {
    better: (methods[a] as ComparedMethod).name,
    worse: (methods[b] as ComparedMethod).name,
    items: differences.length,
    difference: meanOf(differences),
    ...intervalOf(better, worse, differences),
    won,
    lost,
    pValue: mcnemarPValue(won, lost),
  };
}

/** With fewer differing items than this, the bootstrap interval is too narrow. */
const FEW_DIFFERENCES = 16;

function intervalOf(
  better: Resampled,
  worse: Resampled,
  differences: readonly number[],
): Pick<Pair, "ci95" | "interval"> {
  const isSingle = [better, worse].every(({ items }) =>
    items.every(({ accuracy }) => accuracy === 0 || accuracy === 1),
  );
  const won = differences.filter((difference) => difference > 0).length;
  const lost = differences.filter((difference) => difference < 0).length;
  if (isSingle) {
    return { ci95: tangoInterval(won, lost, differences.length), interval: "score" };
  }
  if (won + lost < FEW_DIFFERENCES) {
    return { ci95: bonettPriceInterval(differences), interval: "adjusted" };
  }
  const means = better.accuracy.map((mean, draw) => mean - (worse.accuracy[draw] as number));
  return { ci95: percentileInterval(means), interval: "bootstrap" };
}

/** The mean of no values is 0. */
function meanOf(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((a, b) => a + b, 0) / values.length;
}
