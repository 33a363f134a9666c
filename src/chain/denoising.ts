/** How a diffusion model's answer is unmasked: the schedule, and what of it is approximated. */

/**
 * Which masked positions of the block a step unmasks. `low-confidence`: those whose drawn tokens are
 * the most probable, leaving the others masked; `entropy` and `margin`: those whose distributions
 * have the least entropy, or the widest margin between the two first tokens; `random`: any.
 */
export const REMASKING = ["low-confidence", "random", "entropy", "margin"] as const;
export type Remasking = (typeof REMASKING)[number];

/**
 * What Fast-dLLM keeps of a block's first pass while the block is unmasked: the keys and values
 * before it (`prefix`), or on both sides (`dual`). `none` recomputes everything, exactly.
 */
export const DENOISING_CACHES = ["none", "prefix", "dual"] as const;
export type DenoisingCache = (typeof DENOISING_CACHES)[number];

/**
 * Confidence-parallel decoding: a step unmasks every position whose drawn token is at least this
 * probable, or by the factor rule the n most confident ones while (n + 1)(1 - confidence) < factor;
 * at least one.
 */
export type ParallelDecoding = { threshold: number } | { factor: number };

export interface DenoisingSettings {
  /** Positions of a block; blocks are unmasked left to right. Divides the answer's length. */
  blockLength: number;
  /** Over the whole answer; a multiple of its blocks. */
  denoisingSteps: number;
  remasking: Remasking;
  /** Classifier-free guidance: logits = unconditional + (scale + 1)(conditional - unconditional). */
  cfgScale: number;
  cache: DenoisingCache;
  parallel: ParallelDecoding | null;
}

/** Denoising steps of a guidance step that is to unmask up to `blockTokens` positions. */
export function guidanceLength(
  { denoisingSteps }: DenoisingSettings,
  blockTokens: number,
  maxTokens: number,
): number {
  return Math.ceil((denoisingSteps * blockTokens) / maxTokens);
}
