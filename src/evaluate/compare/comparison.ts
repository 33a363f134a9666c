/** What a comparison of methods says. */

import type { Interval } from "../statistics/wilson.js";
import type { EvaluationRun } from "../store/read-run.js";
import type { Sample } from "../store/run-files.js";
import type { Curve } from "./curves.js";

export interface Estimate {
  value: number;
  /** Percentile bootstrap over items. */
  ci95: Interval;
}

/**
 * What a method reached on the compared items, and what it cost. Accuracies are shares from 0 to 1.
 */
export interface ComparedMethod {
  name: string;
  /** The run's directory. */
  run: string;
  /** The method that ran, as `ask --method` names it. */
  method: string;
  items: number;
  /** Graded samples of these items. */
  samples: number;
  /**
   * Where a run has a total budget, its items' samples vote: how many were drawn in all, and the items whose
   * vote is settled. `samples` counts a vote as one, and tokens and seconds are those of all that voted.
   */
  votes?: { samples: number; settled: number };
  /** Samples that failed on all its items: they are neither right nor wrong, and in no other number. */
  failed: number;
  /** From 0 to 1. */
  accuracy: number;
  ci95: Interval;
  /** Wilson's where each item has one sample; the bootstrap over items where some have several. */
  interval: "wilson" | "bootstrap";
  /** Mean rewards, where the reward doesn't vote: of the texts, and of the best ones seen. */
  reward: number | null;
  bestReward: number | null;
  /** Mean tokens of a sample. `generated` counts the model's own, `proposal` a proposal's. */
  tokens: { generated: number; proposal: number; prefilled: number; scored: number };
  /** Mean seconds of a sample. */
  seconds: number;
  /** Right answers per 1,000 generated tokens, the model's and a proposal's together. */
  accuracyPer1kTokens: Estimate;
  accuracyPerSecond: Estimate;
  /** Mean over the steps' effective sample sizes; null for methods that don't weigh candidates. */
  meanEss: number | null;
  /** Share of the steps whose Pareto k̂ is above .7; null where there is none. */
  unreliable: number | null;
}

/** Two methods on the same items. */
export interface Pair {
  /** The more accurate one. */
  better: string;
  worse: string;
  items: number;
  /** Difference of their accuracies. */
  difference: number;
  ci95: Interval;
  /**
   * `score`: Tango's, where each item is right or wrong. Where several samples of an item differ:
   * `bootstrap`, the paired one over items, or if fewer than 16 items differ `adjusted`, Bonett and
   * Price's.
   */
  interval: "score" | "bootstrap" | "adjusted";
  /** Items on which either is more accurate. */
  won: number;
  lost: number;
  /** McNemar's exact test. */
  pValue: number;
  /** Holm's correction over all pairs. */
  adjusted: number;
}

/** A run directory that is compared: what it was a run of. */
export interface ComparedRun {
  directory: string;
  task: string;
  /** The model's file, without directory and extension. */
  model: string;
  modelPath: string;
  modelDescription: string;
  data: string;
  seed: number;
  mode: string;
  form: string;
}

/** The numbers: plain data. */
export interface Comparison {
  runs: ComparedRun[];
  /** Items that were compared. */
  items: number;
  methods: ComparedMethod[];
  pairs: Pair[];
  /** What more or fewer texts would have given, of methods that kept two or more of each item. */
  curves: Curve[];
  /** Reasons for caution. */
  warnings: string[];
}

/** What each method made of an item. */
export interface ComparedItem {
  id: string;
  /** Null when every sample failed. */
  gold: string | null;
  /** By method, in the order of `Comparison.methods`; of a run with a total budget the vote alone. */
  samples: Sample[][];
  /** Where some of these are votes: all samples that were drawn, likewise. */
  drawn?: Sample[][];
}

/** Runs, their comparison, and the items that it is over. */
export interface ComparedRuns {
  comparison: Comparison;
  items: ComparedItem[];
  runs: EvaluationRun[];
}
