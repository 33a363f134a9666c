/** What a run needs of a model's context, and what was planned for it. */
import type { Capacity, ContextMemory } from "../engine/engine.js";
import type { KvType } from "../engine/kv-types.js";
import type { Ability } from "./abilities.js";

export interface Demand {
  promptTokens: number;
  /** The longest text that may be generated. */
  maxTokens: number;
  /** Continuations that could run side by side. */
  parallel: number;
  /**
   * Continuations that go on together and are kept between their blocks: rollouts that are resampled.
   * Default: none is kept.
   */
  together?: number;
  /** Sequences kept besides those that run: the prefix and its candidates. */
  held: number;
  /** Tokens that the held sequences have beyond the prompt, those in common counted once. */
  heldTokens: number;
  /** The most tokens that a continuation adds to what is held. */
  continuedTokens: number;
  /** The most tokens read at once besides the prompt. Default 0. */
  readTokens?: number;
  /** Whether continuations are scored. Default true. */
  scores?: boolean;
  /** Whether log-probabilities of decoding and of scoring are compared. */
  comparesLogProbs: boolean;
  /** What the engine has to be able to do. Default: nothing but to draw texts. */
  uses?: readonly Ability[];
}

/** The context that a run's texts need. */
export interface ContextPlan extends Capacity {
  /** Continuations that run side by side. */
  parallel: number;
  /** Rounds that the continuations of one step take. */
  waves: number;
  kvType: KvType;
  flashAttention: boolean | "auto" | "engine" | "shared";
  /** Whether that is a matter of speed alone. */
  anyAttention: boolean;
  memory: ContextMemory;
}

/** Plans of contexts in use together, and the bytes free where the first one is made. */
export interface PlannedContexts {
  contexts: ContextPlan[];
  freeBytes: number;
}
