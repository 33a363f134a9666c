/** What a run needs from a model's context, and the plan of the context. */
import type { Capacity, ContextMemory } from "../engine/engine.js";
import type { KvType } from "../engine/kv-types.js";
import type { Ability } from "./abilities.js";

export interface Demand {
  promptTokens: number;
  /** The longest text that may be generated. */
  maxTokens: number;
  /** Continuations that could run at the same time. */
  parallel: number;
  /**
   * The number of continuations that must run together and are kept between their blocks, for rollouts
   * that are resampled. Default: continuations are not kept.
   */
  together?: number;
  /** Sequences kept in addition to the running ones: the prefix and its candidates. */
  held: number;
  /** Tokens that the held sequences have beyond the prompt; shared tokens count once. */
  heldTokens: number;
  /** The largest number of tokens that a continuation adds to a held sequence. */
  continuedTokens: number;
  /** The largest number of tokens that are read at once, apart from the prompt. Default 0. */
  readTokens?: number;
  /** Whether continuations are scored. Default true. */
  scores?: boolean;
  /** Whether log-probabilities of decoding are compared with those of scoring. */
  comparesLogProbs: boolean;
  /** The abilities that the engine must have, apart from drawing texts. Default: none. */
  uses?: readonly Ability[];
}

/** The context that a run's texts need. */
export interface ContextPlan extends Capacity {
  /** Continuations that run at the same time. */
  parallel: number;
  /** The number of rounds in which the continuations of one step run. */
  waves: number;
  kvType: KvType;
  flashAttention: boolean | "auto" | "engine" | "shared";
  /** Whether the choice of attention matters only for speed, and not for the log-probabilities. */
  anyAttention: boolean;
  memory: ContextMemory;
}

/** Plans of contexts that are used together, and the free bytes in the place of the first one. */
export interface PlannedContexts {
  contexts: ContextPlan[];
  freeBytes: number;
}
