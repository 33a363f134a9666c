import { checkInteger, checkKeys, checkPositive } from "../engine/check.js";

/** Limits of one answer. When one is reached, the run ends with the best text so far. */
export interface BudgetOptions {
  /** Generated tokens, of candidates and rollouts together. */
  tokens?: number;
  /** Wall time in milliseconds. */
  ms?: number;
}

export class Budget {
  readonly #tokens: number;
  readonly #deadline: number;
  #used = 0;

  constructor(options: BudgetOptions = {}) {
    checkKeys("budget", options, ["tokens", "ms"]);
    const { tokens, ms } = options;
    this.#tokens =
      tokens === undefined
        ? Number.MAX_SAFE_INTEGER
        : checkInteger("budget.tokens", tokens, 1, Number.MAX_SAFE_INTEGER);
    this.#deadline =
      ms === undefined
        ? Number.POSITIVE_INFINITY
        : performance.now() + checkPositive("budget.ms", ms);
  }

  spend(tokens: number): void {
    this.#used += tokens;
  }

  get tokensLeft(): number {
    return Math.max(0, this.#tokens - this.#used);
  }

  /** `null` if there is no limit. */
  get msLeft(): number | null {
    const left = this.#deadline - performance.now();
    return left === Number.POSITIVE_INFINITY ? null : Math.max(0, left);
  }

  /** Whether there is neither a limit of tokens nor of time. */
  get isUnlimited(): boolean {
    return this.#tokens === Number.MAX_SAFE_INTEGER && this.#deadline === Number.POSITIVE_INFINITY;
  }

  get isSpent(): boolean {
    return this.tokensLeft === 0 || this.msLeft === 0;
  }
}
