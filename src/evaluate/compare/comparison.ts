/** The result of a comparison of methods. */

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
   * Only for a run with a total budget, where the samples of an item vote: the number of samples drawn in
   * total, and the number of items whose vote is settled. `samples` then counts a vote as one sample, with
   * the tokens and seconds of all samples that voted.
   */
  votes?: { samples: number; settled: number };
  /**
   * Failed samples on all items of the method. They are neither right nor wrong, and no other number includes
   * them.
   */
  failed: number;
  /** From 0 to 1. */
  accuracy: number;
  ci95: Interval;
  /** `wilson` if each item has one sample, `bootstrap` (over items) if some items have several. */
  interval: "wilson" | "bootstrap";
  /** Mean reward of the chosen texts, and of the best texts seen. Null for a reward that votes. */
  reward: number | null;
  bestReward: number | null;
  /**
   * Mean tokens of a sample. `generated` counts the tokens of the model, `proposal` those of the proposal.
   */
  tokens: { generated: number; proposal: number; prefilled: number; scored: number };
  /** Mean seconds of a sample. */
  seconds: number;
  /** Right answers per 1,000 generated tokens of the model and the proposal together. */
  accuracyPer1kTokens: Estimate;
  accuracyPerSecond: Estimate;
  /** Mean over the steps' effective sample sizes; null for methods that don't weigh candidates. */
  meanEss: number | null;
  /** Share of the steps whose Pareto k̂ is above 0.7; null if no step has a k̂. */
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
   * `score` is Tango's interval, for items that are either right or wrong. If an item's samples differ, the
   * interval is `bootstrap` (paired, over items), or `adjusted` (Bonett and Price's) when fewer than 16 items
   * differ.
   */
  interval: "score" | "bootstrap" | "adjusted";
  /** The numbers of items on which `better`, or `worse`, is more accurate. */
  won: number;
  lost: number;
  /** The p-value of McNemar's exact test. */
  pValue: number;
  /** The p-value after Holm's correction over all pairs. */
  adjusted: number;
}

/** A compared run directory, with its task and model. */
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

/** The numbers of a comparison, as plain data. */
export interface Comparison {
  runs: ComparedRun[];
  /** Items that were compared. */
  items: number;
  methods: ComparedMethod[];
  pairs: Pair[];
  /** What more or fewer texts would have given. Only for methods that kept two or more texts of each item. */
  curves: Curve[];
  /** Reasons for caution. */
  warnings: string[];
}

/** The samples that each method has of an item. */
export interface ComparedItem {
  id: string;
  /** Null when every sample failed. */
  gold: string | null;
  /** By method, in the order of `Comparison.methods`. A run with a total budget has only the vote here. */
  samples: Sample[][];
  /** All samples that were drawn, in the same order of methods. Present if some of `samples` are votes. */
  drawn?: Sample[][];
}

/** The comparison of some runs, and the items that it covers. */
export interface ComparedRuns {
  comparison: Comparison;
  items: ComparedItem[];
  runs: EvaluationRun[];
}
