/** How a diffusion model's answer is unmasked: the schedule, and what of it is approximated. */
import type { DiffusionCache, ParallelRule, Remasking } from "../engine/denoising-request.js";

/**
 * What of the importance ratio is exact. `exact`: the probabilities of the two chains' steps.
 * `approximate`: of the tokens they unmasked alone, where the choice of positions depends on the
 * tokens too. `one-pass`: each model's probabilities of the unmasked tokens, all in the finished
 * text, as the paper has it. The energies of the last two are biased.
 */
export type ImportanceRatio = "exact" | "approximate" | "one-pass";

/** How a diffusion model's answer is unmasked: the options with their defaults. */
export interface DenoisingSettings {
  /** Positions of a block; blocks are unmasked left to right. Divides the answer's length. */
  blockLength: number;
  /** Whole texts take turns with these, of which `blockLength` is the largest. Absent: all have that. */
  blockLengths?: readonly number[];
  /** Over the whole answer; a multiple of its blocks. */
  denoisingSteps: number;
  remasking: Remasking;
  /** Classifier-free guidance; 0: none. */
  cfgScale: number;
  cache: DiffusionCache;
  /** Null: the schedule says how many positions a step unmasks. */
  parallel: ParallelRule | null;
}

/** What an answer's length is a multiple of. */
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
 * Denoising steps of a guidance step that is to unmask up to `blockTokens` positions; whole blocks
 * of them where the pace isn't the schedule's.
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
