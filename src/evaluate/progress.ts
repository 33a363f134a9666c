/** How far an evaluation is. */
import type { DrawJob } from "./jobs.js";
import type { Sample } from "./store/run-files.js";

interface MethodCount {
  n: number;
  correct: number;
  failed: number;
}

export interface EvaluationProgress {
  /** Samples that are there, those of earlier runs included. */
  done: number;
  total: number;
  /** Samples of this process, the milliseconds they have taken, and tokens generated so far. */
  drawn: number;
  ms: number;
  generated: number;
  /** Each method's samples so far: `n` were graded, `failed` were not. */
  methods: Readonly<Record<string, Readonly<MethodCount>>>;
}

type ProgressCallback = ((progress: EvaluationProgress) => void) | undefined;

/** Counts what an evaluation has, for those who watch it. */
export class ProgressCount {
  readonly #onProgress: ProgressCallback;
  readonly #total: number;
  readonly #started = performance.now();
  readonly #methods: Record<string, MethodCount> = {};
  /** Tokens of runs that are under way, by key. */
  readonly #running = new Map<string, number>();
  #done = 0;
  #drawn = 0;
  #generated = 0;

  constructor(jobs: readonly DrawJob[], before: readonly Sample[], onProgress: ProgressCallback) {
    this.#onProgress = onProgress;
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
    if (!("error" in sample)) {
      this.#generated += sample.usage.generated + (sample.proposalUsage?.generated ?? 0);
    }
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
    method.n++;
    if (sample.correct) method.correct++;
  }

  #report(): void {
    const running = [...this.#running.values()].reduce((a, b) => a + b, 0);
    const progress: EvaluationProgress = {
      done: this.#done,
      total: this.#total,
      drawn: this.#drawn,
      ms: performance.now() - this.#started,
      generated: this.#generated + running,
      methods: structuredClone(this.#methods),
    };
    this.#onProgress?.(progress);
  }
}
