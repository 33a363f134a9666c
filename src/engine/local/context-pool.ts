/**
 * The contexts that runs of one model lease. While there is a shared context, runs get partitions of
 * it if they fit. Otherwise each run gets its own context, and the last released one is kept for the
 * next run.
 */
import type { Capacity, ContextNeeds } from "../engine.js";
import type { KvType } from "../kv-types.js";
import { Context, type SamplingPlace } from "./context.js";
import type { ModelPrompts } from "./kept-prompts.js";
import type { NativeModel } from "./native-model.js";
import { type AttentionChoice, attentionOfContext } from "./own-attention.js";
import { SharedContext } from "./shared-context.js";

/** Options of all contexts of a model. */
interface PoolOptions {
  threads: number;
  attention: AttentionChoice;
  sampling: SamplingPlace;
  kvType: KvType;
  prompts: ModelPrompts;
}

export class ContextPool implements AsyncDisposable {
  readonly #options: PoolOptions;
  /** All contexts that runs don't share: those in use, and the idle one. */
  readonly #contexts = new Set<Context>();
  readonly #shared = new Set<SharedContext>();
  #idle: Context | undefined;
  #isDisposed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /** Idle cells and sequences: the next run reuses them, or frees them to make room. */
  get free(): Pick<Capacity, "cells" | "sequences"> {
    const { cells = 0, sequences = 0 } = this.#idle?.options ?? {};
    const { freeParts } = this;
    return { cells: freeParts.cells + cells, sequences: freeParts.sequences + sequences };
  }

  /** The idle ones in shared contexts. A run that doesn't fit into a shared context can't free these. */
  get freeParts(): Pick<Capacity, "cells" | "sequences"> {
    const free = [...this.#shared].map((shared) => shared.free);
    return {
      cells: free.reduce((sum, one) => sum + one.cells, 0),
      sequences: free.reduce((sum, one) => sum + one.sequences, 0),
    };
  }

  async lease(model: NativeModel, needs: ContextNeeds): Promise<Context> {
    const options = this.#optionsOf(needs);
    for (const shared of this.#shared) {
      const { flashAttention } = options;
      const partition = await shared.lease({ ...needs, flashAttention });
      if (partition !== null) return partition;
    }
    const idle = this.#idle;
    this.#idle = undefined;
    const fits =
      idle !== undefined &&
      idle.options.cells >= options.cells &&
      idle.options.sequences === options.sequences &&
      idle.options.batchTokens === options.batchTokens &&
      idle.options.outputs === options.outputs &&
      idle.options.flashAttention === options.flashAttention;
    if (fits) return idle;
    if (idle !== undefined) {
      this.#contexts.delete(idle);
      await idle[Symbol.asyncDispose]();
    }
    const context = await Context.open(model, options);
    this.#contexts.add(context);
    return context;
  }

  /** Takes back a leased context and frees its sequences. */
  async release(context: Context): Promise<void> {
    for (const shared of this.#shared) {
      if (await shared.release(context)) return;
    }
    if (this.#contexts.has(context) && this.#idle === undefined && !this.#isDisposed) {
      await context.clear();
      this.#idle = context;
      return;
    }
    this.#contexts.delete(context);
    await context[Symbol.asyncDispose]();
  }

  /** Opens a shared context, whose partitions are leased. Its disposal waits for their work in flight. */
  async share(model: NativeModel, needs: ContextNeeds): Promise<AsyncDisposable> {
    const shared = await SharedContext.open(model, this.#optionsOf(needs));
    this.#shared.add(shared);
    return {
      [Symbol.asyncDispose]: async () => {
        this.#shared.delete(shared);
        await shared[Symbol.asyncDispose]();
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true;
    const all = [...this.#contexts, ...this.#shared];
    await Promise.all(all.map((context) => context[Symbol.asyncDispose]()));
  }

  #optionsOf(needs: ContextNeeds) {
    const { cells, sequences, batchTokens, outputs } = needs;
    const { attention, ...common } = this.#options;
    const flashAttention = attentionOfContext(attention, needs.flashAttention ?? "auto");
    return {
      ...common,
      cells,
      sequences,
      flashAttention,
      ...(batchTokens !== undefined && { batchTokens }),
      ...(outputs !== undefined && { outputs }),
    };
  }
}
