/** The options of diffusion models. */
import type { DenoisingSettings } from "../chain/denoising.js";
import { checkInteger, checkKeys, checkNumber, checkOneOf } from "../engine/check.js";
import { CACHES, type ParallelRule, REMASKING } from "../engine/denoising-request.js";
import { LlamaEtsError } from "../engine/errors.js";
import type { Flag } from "./option.js";

/** How a diffusion model unmasks an answer of `maxTokens` positions. */
export interface DiffusionOptions {
  /** Positions of a block, a divisor of `maxTokens`. Default: 32, or `maxTokens` if it is less. */
  blockLength?: number;
  /** Denoising steps, a multiple of the blocks. Default `maxTokens`: each unmasks one position. */
  denoisingSteps?: number;
  /** Default "low-confidence". */
  remasking?: DenoisingSettings["remasking"];
  /** Classifier-free guidance, from 0 (default: none) to 100. */
  cfgScale?: number;
  /** Default "none". */
  cache?: DenoisingSettings["cache"];
  /** A threshold above 0, to 1, or a factor above 0. Default: none, the schedule decides. */
  parallel?: ParallelRule;
}

export const DEFAULT_BLOCK_LENGTH = 32;

export const DIFFUSION_FLAGS: readonly Flag[] = [
  {
    path: "diffusion.denoisingSteps",
    flags: "--denoising-steps <n>",
    help: "diffusion models: steps over the answer (default: one a token)",
    kind: "number",
  },
  {
    path: "diffusion.blockLength",
    flags: "--block-length <n>",
    help: "positions unmasked block by block (default: 32)",
    kind: "number",
  },
  {
    path: "diffusion.remasking",
    flags: "--remasking <rule>",
    help: `${REMASKING.join(", ")} (default: low-confidence)`,
    kind: "text",
  },
  {
    path: "diffusion.cfgScale",
    flags: "--cfg-scale <x>",
    help: "classifier-free guidance (default: 0)",
    kind: "number",
  },
  {
    path: "diffusion.cache",
    flags: "--cache <kind>",
    help: `Fast-dLLM's: ${CACHES.join(", ")} (default: none)`,
    kind: "text",
  },
  {
    path: "diffusion.parallel.threshold",
    flags: "--parallel-threshold <x>",
    help: "unmask all that are this probable",
    kind: "number",
  },
  {
    path: "diffusion.parallel.factor",
    flags: "--parallel-factor <x>",
    help: "unmask in parallel by the factor rule",
    kind: "number",
  },
];

/** Throws `ERR_INVALID_OPTION`. */
export function resolveDiffusion(
  options: DiffusionOptions = {},
  maxTokens: number,
): DenoisingSettings {
  checkKeys("diffusion", options, [
    ...["blockLength", "denoisingSteps", "remasking", "cfgScale", "cache", "parallel"],
  ]);
  const { blockLength = Math.min(DEFAULT_BLOCK_LENGTH, maxTokens) } = options;
  checkInteger("diffusion.blockLength", blockLength, 1, maxTokens);
  if (maxTokens % blockLength !== 0) {
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      `Expected \`diffusion.blockLength\` to divide \`maxTokens\`, got ${blockLength} and ${maxTokens}`,
      { fix: `maxTokens: ${Math.ceil(maxTokens / blockLength) * blockLength}` },
    );
  }
  const { denoisingSteps = maxTokens, remasking = "low-confidence", cfgScale = 0 } = options;
  const blocks = maxTokens / blockLength;
  checkInteger("diffusion.denoisingSteps", denoisingSteps, blocks, maxTokens);
  if (denoisingSteps % blocks !== 0) {
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      `Expected \`diffusion.denoisingSteps\` to be a multiple of the ${blocks} blocks, got ${denoisingSteps}`,
      { fix: `denoisingSteps: ${Math.ceil(denoisingSteps / blocks) * blocks}` },
    );
  }
  const { cache = "none" } = options;
  const parallel = resolveParallel("diffusion.parallel", options.parallel);
  checkOneOf("diffusion.remasking", remasking, REMASKING);
  if (parallel !== null && remasking !== "low-confidence") {
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      `Parallel decoding unmasks by confidence, which \`remasking: "${remasking}"\` doesn't`,
      { fix: 'remasking: "low-confidence"' },
    );
  }
  return {
    blockLength,
    denoisingSteps,
    remasking,
    cfgScale: checkNumber("diffusion.cfgScale", cfgScale, 0, 100),
    cache: checkOneOf("diffusion.cache", cache, CACHES),
    parallel,
  };
}

/** Throws `ERR_INVALID_OPTION`. */
export function resolveParallel(
  name: string,
  parallel: ParallelRule | undefined,
): ParallelRule | null {
  if (parallel === undefined) return null;
  checkKeys(name, parallel, ["threshold", "factor"]);
  if ("threshold" in parallel && !("factor" in parallel)) {
    return { threshold: checkNumber(`${name}.threshold`, parallel.threshold, Number.MIN_VALUE, 1) };
  }
  if ("factor" in parallel && !("threshold" in parallel)) {
    return { factor: checkNumber(`${name}.factor`, parallel.factor, Number.MIN_VALUE, 1e6) };
  }
  throw new LlamaEtsError(
    "ERR_INVALID_OPTION",
    `Expected \`${name}\` to hold either \`threshold\` or \`factor\``,
  );
}
