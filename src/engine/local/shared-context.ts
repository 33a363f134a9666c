/** A context that runs share which go on side by side: each leases a lane of it. */
import type { Capacity, ContextPlan } from "../../planning/capacity.js";
import { Context, type ContextOptions } from "./context.js";
import type { NativeModel } from "./native-model.js";

/** What a run needs of a context; what is left out has the context's defaults. */
export type ContextNeeds = Pick<Capacity, "cells" | "sequences"> &
  Partial<Capacity & Pick<ContextPlan, "anyAttention">> &
  Pick<ContextOptions, "flashAttention">;

export class SharedContext {
  readonly #context: Context;
  readonly #lanes = new Set<Context>();
  #freeCells: number;
  #freeSequences: number;

  private constructor(context: Context) {
    this.#context = context;
    this.#freeCells = context.options.cells;
    this.#freeSequences = context.options.sequences;
  }

  /** Throws `ERR_OUT_OF_MEMORY` when the engine can't allocate it. */
  static async open(model: NativeModel, options: ContextOptions): Promise<SharedContext> {
    return new SharedContext(await Context.open(model, options));
  }

  get freeCells(): number {
    return this.#freeCells;
  }

  /** A lane; null when the context has no room for it, or computes in another way. */
  async lease(needs: ContextNeeds): Promise<Context | null> {
    const { cells, sequences, outputs, flashAttention = "auto", anyAttention = false } = needs;
    const own = this.#context.options.flashAttention;
    if (flashAttention !== own && !(anyAttention && own !== false)) return null;
    if (cells > this.#freeCells || sequences > this.#freeSequences) return null;
    this.#freeCells -= cells;
    this.#freeSequences -= sequences;
    try {
      const lane = await this.#context.lane({
        ...{ cells, sequences },
        ...(outputs !== undefined && { outputs }),
      });
      this.#lanes.add(lane);
      return lane;
    } catch (error) {
      this.#giveBack({ cells, sequences });
      throw error;
    }
  }

  /** Takes back a lane, freeing its sequences; false: it is of another context. */
  async release(lane: Context): Promise<boolean> {
    if (!this.#lanes.delete(lane)) return false;
    await lane[Symbol.asyncDispose]();
    this.#giveBack(lane.options);
    return true;
  }

  #giveBack({ cells, sequences }: Pick<Capacity, "cells" | "sequences">): void {
    this.#freeCells += cells;
    this.#freeSequences += sequences;
  }

  /** Waits for the lanes' work in flight. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#lanes].map((lane) => lane[Symbol.asyncDispose]()));
    await this.#context[Symbol.asyncDispose]();
  }
}
