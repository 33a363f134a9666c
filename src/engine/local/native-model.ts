/** The addon's models, as `native/js/model.cc` defines them, and the policy that tokens are drawn by. */
import type { ModelInfo } from "../engine.js";
import type { Sampling } from "../sampling.js";
import type { SpecialToken } from "../vocabulary.js";

export interface NativeSampling {
  temperature: number;
  topK: number;
  topP: number;
  minP: number;
  allowedTokens: Int32Array;
  /** Ids from here on have no probability. */
  vocabLimit: number;
  /** Tokens are drawn with probability ∝ the policy's to this power, from .001 to 1000. Default 1. */
  power?: number;
  /** GBNF. Default: texts aren't restricted. */
  grammar?: string;
  /** Control tokens that the grammar reads by their texts. Default: none. */
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
  /** Whether the system reads the weights from the file as they are used, and may drop them. */
  isMapped: boolean;
  /**
   * For a diffusion model, the architecture under which the engine keeps keys and values of its texts.
   * Null where there is none, and of a model that was loaded under it.
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
  /** The lowest token id at which two vocabularies differ; padding at the end aside. */
  firstTokenDifference(other: NativeModel): number | null;
  close(): void;
}

export function toNativeSampling(sampling: Sampling): NativeSampling {
  const { constraint, ...policy } = sampling;
  return {
    ...policy,
    allowedTokens: Int32Array.from(sampling.allowedTokens),
    ...(constraint && { grammar: constraint.grammar }),
    ...(constraint?.tokens && { grammarTokens: Int32Array.from(constraint.tokens) }),
  };
}
