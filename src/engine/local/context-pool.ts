/**
 * The contexts of one model that runs lease: one each, the last of which is kept for the next run,
 * or, while there is a shared one, partitions of that.
 */
import type { Capacity, ContextNeeds } from "../engine.js";
import type { KvType } from "../kv-types.js";
import { Context, type SamplingPlace } from "./context.js";
import type { ModelPrompts } from "./kept-prompts.js";
import type { NativeModel } from "./native-model.js";
import { type AttentionChoice, attentionOfContext } from "./own-attention.js";
import { SharedContext } from "./shared-context.js";

/** What all contexts of a model have in common. */
interface PoolOptions {
  threads: number;
  attention: AttentionChoice;
  sampling: SamplingPlace;
  kvType: KvType;
  prompts: ModelPrompts;
}

export class ContextPool implements AsyncDisposable {
  readonly #options: PoolOptions;
  /** In use, or idle. */
  readonly #contexts = new Set<Context>();
  readonly #shared = new Set<SharedContext>();
  #idle: Context | undefined;
  #isDisposed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /** Cells and sequences that are kept, and that the next run may have or replaces. */
  get free(): Pick<Capacity, "cells" | "sequences"> {
    const { cells = 0, sequences = 0 } = this.#idle?.options ?? {};
    const { freeParts } = this;
    return { cells: freeParts.cells + cells, sequences: freeParts.sequences + sequences };
  }

  /** Those of shared contexts, which a run that is too large for these can't have. */
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

  /** Takes back a leased context; its sequences are freed. */
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

  /** A context whose partitions are leased until it is disposed of; then it waits for their work. */
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
