/** How a diffusion model's answer is unmasked: the schedule, and the approximations. */
import type { DiffusionCache, ParallelRule, Remasking } from "../engine/denoising-request.js";

/**
 * How the importance ratio is computed. `exact`: from the probabilities of the two chains' steps.
 * `approximate`: from the probabilities of the unmasked tokens only, although the choice of positions
 * also depends on the tokens. `one-pass`: from each model's probabilities of the unmasked tokens, all
 * given the finished text, as in the paper. The last two give biased energies.
 */
export type ImportanceRatio = "exact" | "approximate" | "one-pass";

/** How a diffusion model's answer is unmasked: the options with their defaults. */
export interface DenoisingSettings {
  /** Positions of a block; blocks are unmasked left to right. Divides the answer's length. */
  blockLength: number;
  /**
   * Whole texts use these block lengths in turn; the largest is `blockLength`. If absent, all texts use
   * `blockLength`.
   */
  blockLengths?: readonly number[];
  /** Steps of the whole answer; a multiple of the number of its blocks. */
  denoisingSteps: number;
  remasking: Remasking;
  /** The scale of classifier-free guidance; 0: none. */
  cfgScale: number;
  cache: DiffusionCache;
  /** Null: the schedule determines how many positions a step unmasks. */
  parallel: ParallelRule | null;
}

/** The number of which an answer's length must be a multiple. */
export function answerUnit({ blockLength, blockLengths = [blockLength] }: BlockLengths): number {
  const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));
  return blockLengths.reduce((a, b) => (a / gcd(a, b)) * b, 1);
}

type BlockLengths = Pick<DenoisingSettings, "blockLength" | "blockLengths">;

/** Denoising steps of a block. */
export function blockSteps(
  { denoisingSteps, blockLength }: DenoisingSettings,
  maxTokens: number,
): number {
  return (denoisingSteps * blockLength) / maxTokens;
}

/**
 * The number of denoising steps in a guidance step that unmasks `blockTokens` positions, rounded up. With
 * parallel decoding it is a whole number of blocks.
 */
export function guidanceLength(
  denoising: DenoisingSettings,
  blockTokens: number,
  maxTokens: number,
): number {
  const { denoisingSteps, parallel } = denoising;
  const unit = parallel === null ? 1 : blockSteps(denoising, maxTokens);
  return Math.ceil((denoisingSteps * blockTokens) / maxTokens / unit) * unit;
}
