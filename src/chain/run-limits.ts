/** What ends a run before its texts do, its budget and its signal; and how far it has come. */
import type { Budget } from "./budget.js";
import { LIVE_INTERVAL_MS } from "./live-text.js";
import { PROGRESS_INTERVAL_MS, whileReporting } from "./progress.js";

/** Called with the tokens generated so far, and one of a diffusion model's texts. */
export type OnProgress = (generated: number, shown?: string) => void;

export interface LimitOptions {
  budget: Budget;
  signal: AbortSignal | undefined;
  onProgress: OnProgress | undefined;
}

/** Work of an engine that can be watched and ended. */
interface Work {
  readonly progress: number;
  abort(): void;
}

export class RunLimits implements Disposable {
  readonly #work: Work;
  readonly #options: LimitOptions;
  readonly #abort: () => void;
  #isOutOfBudget = false;
  #generated = 0;
  #reported = performance.now();

  /** Until it is disposed of, an abort of the signal ends the work. */
  constructor(work: Work, options: LimitOptions) {
    this.#work = work;
    this.#options = options;
    this.#abort = () => work.abort();
    options.signal?.addEventListener("abort", this.#abort, { once: true });
  }

  /** Whether the budget has ended; what was being drawn is then cut off, unfinished. */
  get isOutOfBudget(): boolean {
    return this.#isOutOfBudget;
  }

  /** What is left of the budget, as the engine takes it. */
  get left(): { maxTotalTokens: number; timeLimitMs: number | null } {
    const { budget } = this.#options;
    return { maxTotalTokens: budget.tokensLeft, timeLimitMs: budget.msLeft };
  }

  /** Whether the budget has ended, which is noted. Throws the signal's reason when aborted. */
  isCutOff(): boolean {
    const { signal, budget } = this.#options;
    signal?.throwIfAborted();
    const { isSpent } = budget;
    this.#isOutOfBudget ||= isSpent;
    return isSpent;
  }

  /** Notes that the engine cut texts off. */
  cutOff(): void {
    this.#isOutOfBudget = true;
  }

  spend(tokens: number): void {
    this.#generated += tokens;
    this.#options.budget.spend(tokens);
  }

  /** Tells the caller how much has been generated. */
  report(): void {
    this.#reported = performance.now();
    this.#options.onProgress?.(this.#generated);
  }

  /** As `report`, unless it was done a moment ago. */
  reportNowAndThen(): void {
    if (performance.now() - this.#reported > PROGRESS_INTERVAL_MS) this.report();
  }

  /** Waits for a call of the engine; an abort rejects with the signal's reason. */
  async call<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      this.#options.signal?.throwIfAborted();
      throw error;
    }
  }

  /**
   * As `call`, telling the caller about ten times a second how much it has drawn so far; `look` is called
   * more often.
   */
  watch<T>(
    call: () => Promise<T>,
    { show, look }: { show?: () => string; look?: (() => void) | undefined } = {},
  ): Promise<T> {
    const { onProgress } = this.#options;
    const report = onProgress && ((drawn: number) => onProgress(this.#generated + drawn, show?.()));
    const reporting = () => whileReporting(this.#work, report, () => this.call(call));
    return whileReporting(this.#work, look, reporting, LIVE_INTERVAL_MS);
  }

  [Symbol.dispose](): void {
    this.#options.signal?.removeEventListener("abort", this.#abort);
  }
}
