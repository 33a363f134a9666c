/** Draws and scores texts with one model: what an autoregressive chain and its proposal share. */
import type { Context, Continuation, Sequence } from "../engine/context.js";
import type { Model } from "../engine/model.js";
import { type NativeContinuation, rethrow } from "../engine/native.js";
import type { Sampling } from "../engine/sampling.js";
import type { Budget } from "./budget.js";
import type { FinishReason, Rollout, Text, Usage } from "./chain.js";

export interface DrawerOptions {
  sampling: Sampling;
  /** Longest text, in tokens. */
  maxTokens: number;
  stop: readonly string[];
  seed: number;
  budget: Budget;
  /** `prefixes`: what draws of one state have in common is decoded once. */
  shortcuts: { prefixes: boolean };
  signal: AbortSignal | undefined;
  /** Called about ten times a second while tokens are drawn, with the number drawn so far. */
  onProgress: ((generated: number) => void) | undefined;
}

/** A text to go on from. */
export interface Prefix {
  text: Text;
  /** Holds the prompt and the text's tokens. */
  sequence: Sequence;
}

interface DrawRequest extends Prefix {
  /** Words 0 to 2 of the random counter. */
  stream: [number, number, number];
  maxTokens: number;
  keep: boolean;
}

/** A text with the sequence that holds it; null once it has ended, or when it was not kept. */
export interface DrawnText extends Text {
  readonly sequence: Sequence | null;
}

const PROGRESS_INTERVAL_MS = 100;

export class TextDrawer implements AsyncDisposable {
  readonly #model: Model;
  readonly #options: DrawerOptions;
  readonly #started = performance.now();
  readonly #before: Omit<Usage, "ms">;
  readonly #abort: () => void;
  readonly context: Context;
  #isOutOfBudget = false;
  #generated = 0;

  private constructor(
    model: Model,
    context: Context,
    before: Omit<Usage, "ms">,
    options: DrawerOptions,
  ) {
    this.#model = model;
    this.context = context;
    this.#before = before;
    this.#options = options;
    this.#abort = () => context.abort();
    options.signal?.addEventListener("abort", this.#abort, { once: true });
  }

  /** Takes over a context leased from the model. */
  static async open(model: Model, context: Context, options: DrawerOptions): Promise<TextDrawer> {
    return new TextDrawer(model, context, await context.status(), options);
  }

  get isOutOfBudget(): boolean {
    return this.#isOutOfBudget;
  }

  /** A new sequence that holds the prompt. */
  async prefill(prompt: Int32Array): Promise<Sequence> {
    const sequence = await this.context.create();
    await sequence.prefill(prompt).catch((error) => this.#rethrow(error));
    return sequence;
  }

  /** Draws all in one native call; when the budget ends it, texts are cut off unfinished. */
  async draw(requests: readonly DrawRequest[]): Promise<DrawnText[]> {
    const { sampling, stop, seed, budget, shortcuts, signal, onProgress } = this.#options;
    signal?.throwIfAborted();
    if (requests.length === 0) return [];
    if (budget.isSpent) {
      this.#isOutOfBudget = true;
      return requests.map(({ text }) => ({ ...text, sequence: null }));
    }
    let failure: { error: unknown } | undefined;
    const report = () => {
      try {
        onProgress?.(this.#generated + this.context.progress);
      } catch (error) {
        failure ??= { error }; // thrown in a timer, it would end the process
        this.context.abort();
      }
    };
    const timer = onProgress && setInterval(report, PROGRESS_INTERVAL_MS);
    try {
      const continuations = await this.context.generate({
        draws: requests.map(({ text, sequence, ...draw }) => ({
          ...draw,
          parent: sequence,
          position: text.tokens.length,
          tail: text.text.slice(-longest(stop)),
        })),
        sampling,
        key: [seed % 2 ** 32, Math.floor(seed / 2 ** 32)],
        stopTokens: new Int32Array(),
        stopStrings: [...stop],
        maxTotalTokens: budget.tokensLeft,
        sharePrefixes: shortcuts.prefixes,
        timeLimitMs: budget.msLeft,
      });
      const drawn = continuations.reduce((sum, { tokens }) => sum + tokens.length, 0);
      this.#generated += drawn;
      budget.spend(drawn);
      if (continuations.some(({ finish }) => finish === "budget")) this.#isOutOfBudget = true;
      return continuations.map((c, i) => this.#extend((requests[i] as DrawRequest).text, c));
    } catch (error) {
      if (failure !== undefined) throw failure.error;
      return this.#rethrow(error);
    } finally {
      clearInterval(timer);
      onProgress?.(this.#generated);
    }
  }

  /** Draws `count` finished texts from each prefix; `streamOf` names their random numbers. */
  async complete(
    prefixes: readonly Prefix[],
    count: number,
    streamOf: (prefix: number, rollout: number) => [number, number, number],
  ): Promise<Rollout[][]> {
    const drawn = await this.draw(
      prefixes.flatMap(({ text, sequence }, i) =>
        Array.from({ length: count }, (_, rollout) => ({
          text,
          sequence,
          stream: streamOf(i, rollout),
          maxTokens: this.#options.maxTokens - text.tokens.length,
          keep: false,
        })),
      ),
    );
    return prefixes.map((_, i) => drawn.slice(i * count, (i + 1) * count));
  }

  /** Log-probabilities of what each rollout adds to its prefix, one a token. */
  async score(
    prefixes: readonly Prefix[],
    rollouts: readonly (readonly Rollout[])[],
  ): Promise<number[][][]> {
    this.#options.signal?.throwIfAborted();
    const requests = prefixes.flatMap(({ text, sequence }, i) =>
      (rollouts[i] ?? []).map(({ tokens }) => ({
        parent: sequence,
        tokens: Int32Array.from(tokens.slice(text.tokens.length)),
      })),
    );
    if (requests.length === 0) return prefixes.map(() => []);
    try {
      const scores = await this.context.score(requests, this.#options.sampling);
      const logProbs = scores.map((score) => [...score.logProbs]);
      return prefixes.map((_, i) => logProbs.splice(0, rollouts[i]?.length ?? 0));
    } catch (error) {
      return this.#rethrow(error);
    }
  }

  async usage(): Promise<Usage> {
    const now = await this.context.status();
    const since = (name: keyof Omit<Usage, "ms">) => now[name] - this.#before[name];
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
    await this.#model.release(this.context);
  }

  /** An abort rejects with the signal's reason. */
  #rethrow(error: unknown): never {
    this.#options.signal?.throwIfAborted();
    return rethrow(error);
  }

  #extend(text: Text, continuation: Continuation): DrawnText {
    const tokens = [...text.tokens, ...continuation.tokens];
    return {
      tokens,
      logProbs: [...text.logProbs, ...continuation.logProbs],
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

function finishReasonOf({ finish }: Continuation, isFull: boolean): FinishReason | null {
  if (finish === "end" || finish === "stop") return finish;
  return finish === "length" && isFull ? "length" : null;
}

function longest(strings: readonly string[]): number {
  return Math.max(1, ...strings.map((s) => s.length));
}
