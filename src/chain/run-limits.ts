/** What can end a run early, its budget and its abort signal, and reports of its progress. */
import type { Budget } from "./budget.js";
import { LIVE_INTERVAL_MS } from "./live-text.js";
import { PROGRESS_INTERVAL_MS, whileReporting } from "./progress.js";

/** Called with the number of tokens generated so far, and, for a diffusion model, with one of its texts. */
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

  /** Aborts `work` when the signal is aborted, until this object is disposed. */
  constructor(work: Work, options: LimitOptions) {
    this.#work = work;
    this.#options = options;
    this.#abort = () => work.abort();
    options.signal?.addEventListener("abort", this.#abort, { once: true });
  }

  /** Whether the budget is spent. The texts that were being drawn are then cut off, unfinished. */
  get isOutOfBudget(): boolean {
    return this.#isOutOfBudget;
  }

  /** The rest of the budget, as options of an engine's call. */
  get left(): { maxTotalTokens: number; timeLimitMs: number | null } {
    const { budget } = this.#options;
    return { maxTotalTokens: budget.tokensLeft, timeLimitMs: budget.msLeft };
  }

  /** Checks whether the budget is spent, and sets `isOutOfBudget`. Throws the signal's reason if aborted. */
  isCutOff(): boolean {
    const { signal, budget } = this.#options;
    signal?.throwIfAborted();
    const { isSpent } = budget;
    this.#isOutOfBudget ||= isSpent;
    return isSpent;
  }

  /** Records that the engine has cut texts off because of the budget. */
  cutOff(): void {
    this.#isOutOfBudget = true;
  }

  spend(tokens: number): void {
    this.#generated += tokens;
    this.#options.budget.spend(tokens);
  }

  /** Calls `onProgress` with the number of generated tokens. */
  report(): void {
    this.#reported = performance.now();
    this.#options.onProgress?.(this.#generated);
  }

  /** Like `report`, unless the last report was less than 100 ms ago. */
  reportNowAndThen(): void {
    if (performance.now() - this.#reported > PROGRESS_INTERVAL_MS) this.report();
  }

  /** Waits for a call of the engine. If the signal was aborted, rejects with the signal's reason. */
  async call<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      this.#options.signal?.throwIfAborted();
      throw error;
    }
  }

  /**
   * Like `call`, but calls `onProgress` ten times a second with the number of tokens drawn so far, and
   * `look` more often.
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
