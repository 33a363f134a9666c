/** A context that several runs share. Each run leases a partition of it. */
import type { Capacity, ContextNeeds } from "../engine.js";
import { Context, type ContextOptions } from "./context.js";
import type { NativeModel } from "./native-model.js";

/** Owns a context, and keeps count of its free cells and sequences. */
export class SharedContext {
  readonly #context: Context;
  readonly #partitions = new Set<Context>();
  #freeCells: number;
  #freeSequences: number;

  private constructor(context: Context) {
    this.#context = context;
    this.#freeCells = context.options.cells;
    this.#freeSequences = context.options.sequences;
  }

  /** Opens a shared context. Throws `ERR_OUT_OF_MEMORY` if the engine can't allocate it. */
  static async open(model: NativeModel, options: ContextOptions): Promise<SharedContext> {
    return new SharedContext(await Context.open(model, options));
  }

  get free(): Pick<Capacity, "cells" | "sequences"> {
    return { cells: this.#freeCells, sequences: this.#freeSequences };
  }

  /** Leases a partition. Returns null if there is no room for it, or if the kind of attention differs. */
  async lease(needs: ContextNeeds): Promise<Context | null> {
    const { cells, sequences, outputs, flashAttention = "auto", anyAttention = false } = needs;
    const own = this.#context.options.flashAttention;
    if (flashAttention !== own && !(anyAttention && own !== false)) return null;
    if (cells > this.#freeCells || sequences > this.#freeSequences) return null;
    this.#freeCells -= cells;
    this.#freeSequences -= sequences;
    try {
      const partition = await this.#context.partition({
        cells,
        sequences,
        ...(outputs !== undefined && { outputs }),
      });
      this.#partitions.add(partition);
      return partition;
    } catch (error) {
      this.#giveBack({ cells, sequences });
      throw error;
    }
  }

  /** Takes back a partition and frees its sequences. Returns false if another context owns it. */
  async release(partition: Context): Promise<boolean> {
    if (!this.#partitions.delete(partition)) return false;
    await partition[Symbol.asyncDispose]();
    this.#giveBack(partition.options);
    return true;
  }

  #giveBack({ cells, sequences }: Pick<Capacity, "cells" | "sequences">): void {
    this.#freeCells += cells;
    this.#freeSequences += sequences;
  }

  /** Waits for the partitions' work in flight, and frees the context. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#partitions].map((partition) => partition[Symbol.asyncDispose]()));
    await this.#context[Symbol.asyncDispose]();
  }
}
