/**
 * The chain of an autoregressive model: a state is a prefix cached as a sequence, its candidates
 * and rollouts are forks of it. The prompt is prefilled once, and no token is decoded twice.
 */
import type { Context, Continuation, Sequence } from "../engine/context.js";
import type { Model } from "../engine/model.js";
import { type NativeContinuation, rethrow } from "../engine/native.js";
import type { Sampling } from "../engine/sampling.js";
import type { Budget } from "./budget.js";
import type { Chain, ChainState, FinishReason, Rollout, Usage } from "./chain.js";

export interface AutoregressiveState extends ChainState {
  /** Null once the text has ended, or when nothing will follow it. */
  readonly sequence: Sequence | null;
}

export interface AutoregressiveOptions {
  prompt: Int32Array;
  sampling: Sampling;
  /** Longest text, in tokens. */
  maxTokens: number;
  /** Tokens of one guidance step. */
  blockTokens: number;
  /** The most states of one `advance`, and rollouts of one state. */
  candidates: number;
  rollouts: number;
  stop: readonly string[];
  seed: number;
  budget: Budget;
  signal: AbortSignal | undefined;
  /** Called about ten times a second while tokens are drawn, with the number drawn so far. */
  onProgress: ((generated: number) => void) | undefined;
}

/** Word 2 of the random counter for candidates; rollouts have their number there. */
const CANDIDATE = 0xffffffff;
const PROGRESS_INTERVAL_MS = 100;

export class AutoregressiveChain implements Chain<AutoregressiveState> {
  readonly #model: Model;
  readonly #context: Context;
  readonly #options: AutoregressiveOptions;
  readonly #started = performance.now();
  readonly #abort: () => void;
  #isOutOfBudget = false;
  #generated = 0;
  #before: Omit<Usage, "ms"> | undefined;

  private constructor(model: Model, context: Context, options: AutoregressiveOptions) {
    this.#model = model;
    this.#context = context;
    this.#options = options;
    this.#abort = () => context.abort();
    options.signal?.addEventListener("abort", this.#abort, { once: true });
  }

  /** Plans and leases a context for the run. Throws `ERR_CONTEXT_FULL`, `ERR_OUT_OF_MEMORY`. */
  static async open(model: Model, options: AutoregressiveOptions): Promise<AutoregressiveChain> {
    const { candidates, rollouts, maxTokens, blockTokens } = options;
    options.signal?.throwIfAborted();
    const isOneStep = blockTokens >= maxTokens;
    const capacity = model.plan({
      promptTokens: options.prompt.length,
      maxTokens,
      parallel: isOneStep ? candidates : candidates * Math.max(rollouts, 1),
      held: isOneStep ? 1 : candidates + 1,
      heldTokens: Math.min(blockTokens, maxTokens),
    });
    const chain = new AutoregressiveChain(model, await model.lease(capacity), options);
    chain.#before = await chain.#context.status();
    return chain;
  }

  get isOutOfBudget(): boolean {
    return this.#isOutOfBudget;
  }

  async start(): Promise<AutoregressiveState> {
    const sequence = await this.#context.create();
    await sequence.prefill(this.#options.prompt).catch((error) => this.#rethrow(error));
    return { text: "", tokens: [], logProbs: [], finishReason: null, sequence };
  }

  async advance(
    state: AutoregressiveState,
    count: number,
    step: number,
  ): Promise<AutoregressiveState[]> {
    const left = this.#options.maxTokens - state.tokens.length;
    const maxTokens = Math.min(this.#options.blockTokens, left);
    const draws = Array.from({ length: count }, (_, candidate) => ({
      state,
      stream: [step, candidate, CANDIDATE] as [number, number, number],
      maxTokens,
      keep: maxTokens < left,
    }));
    return this.#draw(draws);
  }

  async complete(
    states: readonly AutoregressiveState[],
    count: number,
    step: number,
    candidates: readonly number[],
  ): Promise<Rollout[][]> {
    const draws = states.flatMap((state, i) =>
      Array.from({ length: count }, (_, rollout) => ({
        state,
        stream: [step, candidates[i] ?? i, rollout] as [number, number, number],
        maxTokens: this.#options.maxTokens - state.tokens.length,
        keep: false,
      })),
    );
    const drawn = await this.#draw(draws);
    return states.map((_, i) => drawn.slice(i * count, (i + 1) * count));
  }

  async release(states: readonly AutoregressiveState[]): Promise<void> {
    await Promise.all(states.map((state) => state.sequence?.[Symbol.asyncDispose]()));
  }

  async usage(): Promise<Usage> {
    const now = await this.#context.status();
    const since = (name: keyof Omit<Usage, "ms">) => now[name] - (this.#before?.[name] ?? 0);
    return {
      prefilled: since("prefilled"),
      generated: since("generated"),
      decoded: since("decoded"),
      scored: since("scored"),
      forks: since("forks"),
      decodes: since("decodes"),
      ms: performance.now() - this.#started,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#options.signal?.removeEventListener("abort", this.#abort);
    await this.#model.release(this.#context);
  }

  async #draw(draws: DrawFrom[]): Promise<AutoregressiveState[]> {
    const { sampling, stop, seed, budget, signal, onProgress } = this.#options;
    signal?.throwIfAborted();
    if (budget.isSpent) {
      this.#isOutOfBudget = true;
      return draws.map(({ state }) => ({ ...state, sequence: null }));
    }
    const report = () => onProgress?.(this.#generated + this.#context.progress);
    const timer = onProgress && setInterval(report, PROGRESS_INTERVAL_MS);
    try {
      const continuations = await this.#context.generate({
        draws: draws.map(({ state, ...draw }) => ({
          ...draw,
          parent: state.sequence as Sequence, // only unfinished states are continued
          position: state.tokens.length,
          tail: state.text.slice(-longest(stop)),
        })),
        sampling,
        key: [seed % 2 ** 32, Math.floor(seed / 2 ** 32)],
        stopTokens: new Int32Array(),
        stopStrings: [...stop],
        maxTotalTokens: budget.tokensLeft,
        timeLimitMs: budget.msLeft,
      });
      for (const { tokens } of continuations) this.#generated += tokens.length;
      budget.spend(continuations.reduce((sum, { tokens }) => sum + tokens.length, 0));
      if (continuations.some(({ finish }) => finish === "budget")) this.#isOutOfBudget = true;
      return continuations.map((c, i) => this.#extend((draws[i] as DrawFrom).state, c));
    } catch (error) {
      this.#rethrow(error);
    } finally {
      clearInterval(timer);
      report();
    }
  }

  /** An abort rejects with the signal's reason. */
  #rethrow(error: unknown): never {
    this.#options.signal?.throwIfAborted();
    return rethrow(error);
  }

  #extend(state: AutoregressiveState, continuation: Continuation): AutoregressiveState {
    const tokens = [...state.tokens, ...continuation.tokens];
    return {
      tokens,
      logProbs: [...state.logProbs, ...continuation.logProbs],
      text: this.#textOf(tokens, continuation.finish),
      finishReason: finishReasonOf(continuation, tokens.length >= this.#options.maxTokens),
      sequence: continuation.sequence,
    };
  }

  #textOf(tokens: number[], finish: NativeContinuation["finish"]): string {
    const text = this.#model.detokenize(Int32Array.from(tokens));
    if (finish !== "stop") return text;
    const cuts = this.#options.stop.map((s) => text.indexOf(s)).filter((at) => at >= 0);
    return cuts.length > 0 ? text.slice(0, Math.min(...cuts)) : text;
  }
}

interface DrawFrom {
  state: AutoregressiveState;
  stream: [number, number, number];
  maxTokens: number;
  keep: boolean;
}

function finishReasonOf({ finish }: Continuation, isFull: boolean): FinishReason | null {
  if (finish === "end" || finish === "stop") return finish;
  return finish === "length" && isFull ? "length" : null;
}

function longest(strings: readonly string[]): number {
  return Math.max(1, ...strings.map((s) => s.length));
}
