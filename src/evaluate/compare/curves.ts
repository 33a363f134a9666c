/**
 * Computes what more or fewer texts would have given, from the texts that were drawn. This works because a
 * method's k-th text doesn't depend on the number of texts.
 */
import { percentileInterval, resampledMeans } from "../statistics/bootstrap.js";
import type { Interval } from "../statistics/wilson.js";
import { gradedOf, type Sample } from "../store/run-files.js";
import type { Entry } from "./entries.js";

/** A whole text, with the fields that curves use. */
export interface CurveText {
  text: string;
  answer: string | null;
  correct: boolean;
  /** Null if the reward votes, or if no reward was given. */
  reward: number | null;
  /** In nats; null if it wasn't kept. */
  logProb: number | null;
  generated: number;
}

/** A mean over items, with its 95% interval. */
export interface CurveValue {
  /** Mean over the items, from 0 to 1. */
  accuracy: number;
  /** 95%, by the bootstrap over items. */
  ci95: Interval;
}

/** The results with k texts per item. */
export interface CurvePoint {
  k: number;
  /**
   * The probability that at least one of k texts is right: the unbiased estimate of Chen et al. 2021 from all
   * texts.
   */
  pass: CurveValue;
  /** The accuracy of the first text with the most frequent answer among the first k. */
  majority: CurveValue;
  /** As `majority`, but each distinct text counts with its probability. Null without probabilities. */
  weighted: CurveValue | null;
  /** The accuracy of the first text with the highest reward among the first k. Null without rewards. */
  best: CurveValue | null;
  /** Mean tokens of the first k texts. */
  generated: number;
}

/** What a method would have reached with fewer texts, from the texts that were kept. */
export interface Curve {
  /** The method, as comparisons name it. */
  name: string;
  items: number;
  points: CurvePoint[];
}

/** Returns a curve for each method with at least two texts of each item, in the order of the methods. */
export function curvesOf(entries: readonly Entry[]): Curve[] {
  return entries.flatMap((entry) => {
    const items = [...entry.samples.values()].map(poolsOf);
    const most = Math.min(...items.flat().map(({ length }) => length));
    if (items.some(({ length }) => length === 0) || most < 2) return [];
    const points = sizes(most).map((k) => pointAt(k, items));
    return [{ name: entry.name, items: items.length, points }];
  });
}

/** Returns the powers of two below `most`, and `most`. */
function sizes(most: number): number[] {
  const powers = Array.from({ length: Math.ceil(Math.log2(most)) }, (_, i) => 2 ** i);
  return [...powers, most];
}

/**
 * Returns the pools of texts of an item. Each sample that kept texts is a pool of the texts that it chose
 * from. If the samples kept none, the texts of all samples are one pool.
 */
function poolsOf(samples: readonly Sample[]): CurveText[][] {
  const drawn = gradedOf(samples);
  const kept = drawn.flatMap(({ texts }) => texts ?? []);
  if (kept.length > 0) return drawn.map(({ texts }) => texts ?? []);
  if (drawn.length !== samples.length || drawn.length < 2) return [];
  const single = drawn.toSorted((a, b) => a.sample - b.sample);
  return [
    single.map(({ text, answer, correct, reward, usage }) => ({
      text,
      answer,
      correct,
      reward: reward ?? null,
      logProb: null,
      generated: usage.generated,
    })),
  ];
}

function pointAt(k: number, items: readonly CurveText[][][]): CurvePoint {
  const first = items.map((pools) => pools.map((pool) => pool.slice(0, k)));
  const all = first.flat(2);
  const value = (of: (pool: readonly CurveText[]) => number, from = first): CurveValue => {
    const column = from.map((pools) => meanOf(pools.map(of)));
    const [means] = resampledMeans([column]);
    return { accuracy: meanOf(column), ci95: percentileInterval(means as Float64Array) };
  };
  const rightOf = (pick: (pool: readonly CurveText[]) => CurveText | undefined) =>
    value((pool) => (pick(pool)?.correct ? 1 : 0));
  const hasAll = (name: "logProb" | "reward") => all.every((text) => text[name] !== null);
  return {
    k,
    pass: value((pool) => passAt(k, pool), items as CurveText[][][]),
    majority: rightOf((pool) => elected(pool, () => 1)),
    weighted: hasAll("logProb") ? rightOf(electedByProbability) : null,
    best: hasAll("reward") ? rightOf(ofHighestReward) : null,
    generated: meanOf(first.flat().map((pool) => pool.reduce((sum, t) => sum + t.generated, 0))),
  };
}

/** 1 - C(n - c, k) / C(n, k), with c of n texts right. */
export function passAt(k: number, pool: readonly Pick<CurveText, "correct">[]): number {
  const wrong = pool.filter(({ correct }) => !correct).length;
  let none = 1;
  for (let i = 0; i < k; i++) none *= Math.max(0, wrong - i) / (pool.length - i);
  return 1 - none;
}

/**
 * Returns the first text of the answer with the most votes. On a tie the answer seen first wins, as in
 * `majority`.
 */
function elected(
  pool: readonly CurveText[],
  votesOf: (text: CurveText) => number,
): CurveText | undefined {
  const votes = new Map<string, number>();
  for (const text of pool) {
    if (text.answer === null) continue;
    votes.set(text.answer, (votes.get(text.answer) ?? 0) + votesOf(text));
  }
  const most = Math.max(...votes.values());
  const answer = [...votes].find(([, count]) => count === most)?.[0];
  return pool.find((text) => text.answer === answer) ?? pool[0];
}

function electedByProbability(pool: readonly CurveText[]): CurveText | undefined {
  const largest = Math.max(...pool.map(({ logProb }) => logProb as number));
  const seen = new Set<string>();
  return elected(pool, ({ text, logProb }) => {
    if (seen.has(text)) return 0;
    seen.add(text);
    return Math.exp((logProb as number) - largest);
  });
}

function ofHighestReward(pool: readonly CurveText[]): CurveText | undefined {
  const best = Math.max(...pool.map(({ reward }) => reward as number));
  return pool.find(({ reward }) => reward === best);
}

function meanOf(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
}
