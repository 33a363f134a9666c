/** Counts the progress of an evaluation. */
import type { DrawJob } from "./jobs.js";
import { tokensOf, votedSample } from "./store/item-votes.js";
import type { RunRecord, Sample } from "./store/run-files.js";

interface MethodCount {
  n: number;
  correct: number;
  failed: number;
}

/** The progress of an evaluation. */
export interface EvaluationProgress {
  /** Existing samples, including those of earlier runs. */
  done: number;
  /** Samples to draw. With a total budget it is the maximum. */
  total: number;
  /** Only with a total budget: the tokens spent so far, and the whole budget. */
  budget?: { spent: number; tokens: number };
  /** Samples drawn by this process, their milliseconds, and the tokens generated so far. */
  drawn: number;
  ms: number;
  generated: number;
  /**
   * Each method's samples so far: `n` were graded, `failed` were not. With a total budget `n` counts items
   * and `correct` counts their right votes.
   */
  methods: Readonly<Record<string, Readonly<MethodCount>>>;
}

interface ProgressOptions {
  onProgress: ((progress: EvaluationProgress) => void) | undefined;
  budget: RunRecord["budget"];
}

/** Counts the samples and tokens of an evaluation for progress displays. */
export class ProgressCount {
  readonly #options: ProgressOptions;
  readonly #total: number;
  readonly #started = performance.now();
  readonly #methods: Record<string, MethodCount> = {};
  /** Tokens of runs in progress, by key. */
  readonly #running = new Map<string, number>();
  #done = 0;
  #drawn = 0;
  #generated = 0;
  /** Only with a total budget: the tokens spent, and the samples of each vote. */
  #spent = 0;
  readonly #votes = new Map<string, Sample[]>();

  constructor(jobs: readonly DrawJob[], before: readonly Sample[], options: ProgressOptions) {
    this.#options = options;
    this.#total = jobs.length;
    for (const { name } of jobs) this.#methods[name] ??= { n: 0, correct: 0, failed: 0 };
    const keys = new Set(jobs.map(({ key }) => key));
    for (const sample of before) {
      if (keys.has(sample.key) && !("error" in sample)) this.#count(sample);
    }
  }

  onTokens(key: string, generated: number): void {
    this.#running.set(key, generated);
    this.#report();
  }

  onSample(sample: Sample): void {
    this.#running.delete(sample.key);
    this.#drawn++;
    this.#generated += tokensOf(sample);
    this.#count(sample);
    this.#report();
  }

  #count(sample: Sample): void {
    const method = this.#methods[sample.method];
    if (method === undefined) return;
    this.#done++;
    if ("error" in sample) {
      method.failed++;
      return;
    }
    this.#spent += tokensOf(sample);
    if (this.#options.budget !== undefined) this.#countVote(method, sample);
    else {
      method.n++;
      if (sample.correct) method.correct++;
    }
  }

  #countVote(method: MethodCount, sample: Sample): void {
    const vote = JSON.stringify([sample.method, sample.item]);
    const before = this.#votes.get(vote) ?? [];
    const now = [...before, sample];
    this.#votes.set(vote, now);
    const isRight = (samples: readonly Sample[]) => {
      const voted = votedSample(samples);
      return voted !== undefined && "correct" in voted && voted.correct ? 1 : 0;
    };
    if (before.length === 0) method.n++;
    method.correct += isRight(now) - isRight(before);
  }

  #report(): void {
    const running = [...this.#running.values()].reduce((a, b) => a + b, 0);
    const { budget, onProgress } = this.#options;
    const progress: EvaluationProgress = {
      done: this.#done,
      total: this.#total,
      ...(budget && { budget: { spent: this.#spent, tokens: budget.tokens } }),
      drawn: this.#drawn,
      ms: performance.now() - this.#started,
      generated: this.#generated + running,
      methods: structuredClone(this.#methods),
    };
    onProgress?.(progress);
  }
}
