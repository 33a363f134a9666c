/** The addon's models, as `native/js/model.cc` defines them, and the policy that tokens are drawn from. */
import type { ModelInfo } from "../engine.js";
import type { Sampling } from "../sampling.js";
import type { SpecialToken } from "../vocabulary.js";

export interface NativeSampling {
  temperature: number;
  topK: number;
  topP: number;
  minP: number;
  allowedTokens: Int32Array;
  /** Ids from here on have probability 0. */
  vocabLimit: number;
  /** Draws with probabilities proportional to this power of the policy's, from .001 to 1000. Default 1. */
  power?: number;
  /** A grammar in GBNF that restricts the texts. Default: none. */
  grammar?: string;
  /** Control tokens whose texts the grammar reads. Default: none. */
  grammarTokens?: Int32Array;
}

export interface NativeModelInfo extends ModelInfo {
  layers: number;
  heads: number;
  kvHeads: number;
  embeddingSize: number;
  slidingWindow: number;
  hasEncoder: boolean;
  hasDecoder: boolean;
  isRecurrent: boolean;
  isHybrid: boolean;
  /** Whether the weights are memory-mapped: the system loads them on use, and may evict them. */
  isMapped: boolean;
  /**
   * For a diffusion model, the architecture under which the engine caches keys and values of its texts.
   * Null if there is none, or if the model was already loaded under it.
   */
  cachingArchitecture: string | null;
}

export interface NativeModel {
  info(): NativeModelInfo;
  metadata(): Record<string, string>;
  tokenize(text: string, addSpecial: boolean, parseSpecial: boolean): Int32Array;
  detokenize(tokens: Int32Array, special: boolean): Buffer;
  specialTokens(): SpecialToken[];
  tokenText(token: number): string;
  isEndToken(token: number): boolean;
  /** The lowest token id at which two vocabularies differ, or null. It ignores padding at the end. */
  firstTokenDifference(other: NativeModel): number | null;
  close(): void;
}

/** Converts checked sampling options to the addon's form. */
export function toNativeSampling(sampling: Sampling): NativeSampling {
  const { constraint, ...policy } = sampling;
  return {
    ...policy,
    allowedTokens: Int32Array.from(sampling.allowedTokens),
    ...(constraint && { grammar: constraint.grammar }),
    ...(constraint?.tokens && { grammarTokens: Int32Array.from(constraint.tokens) }),
  };
}
