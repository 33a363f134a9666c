/** The options of diffusion models. */

import { answerUnit, type DenoisingSettings } from "../../chain/denoising.js";
import {
  checkInteger,
  checkKeys,
  checkNumber,
  checkOneOf,
  isDense,
  refuse,
} from "../../engine/check.js";
import { CACHES, type ParallelRule, REMASKING } from "../../engine/denoising-request.js";
import { LlamaEtsError } from "../../engine/errors.js";

import type { Flag } from "./option.js";

/** How a diffusion model unmasks an answer of `maxTokens` positions. */
export interface DiffusionOptions {
  /** Positions of a block, a divisor of `maxTokens`. Default: 32, or `maxTokens` if it is less. */
  blockLength?: number;
  /**
   * 2 to 64 block lengths that the texts of `majority` and `best-of-n` use in turn, instead of `blockLength`
   * (HEX, arXiv 2510.05040); also as text, "4+8+14".
   */
  blockLengths?: readonly number[] | string;
  /** Denoising steps, a multiple of the blocks' number. Default `maxTokens`: each unmasks one position. */
  denoisingSteps?: number;
  /** Default "low-confidence". */
  remasking?: DenoisingSettings["remasking"];
  /** Classifier-free guidance, from 0 (default: none) to 100. */
  cfgScale?: number;
  /** Default "none". */
  cache?: DenoisingSettings["cache"];
  /** A threshold above 0 and at most 1, or a factor above 0. Default: none, so the schedule decides. */
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
    path: "diffusion.blockLengths",
    flags: "--block-lengths <list>",
    help: "majority, best-of-n: lengths that the texts take turns with, as in 4+8+14",
    kind: "text",
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
    help: "unmask every position that is at least this probable",
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
    "blockLength",
    "blockLengths",
    "denoisingSteps",
    "remasking",
    "cfgScale",
    "cache",
    "parallel",
  ]);
  const { denoisingSteps = maxTokens, remasking = "low-confidence", cfgScale = 0 } = options;
  const lengths = blockLengthsOf(options, maxTokens);
  for (const { name, length } of lengths) checkInteger(name, length, 1, maxTokens);
  const several = lengths.length > 1 && { blockLengths: lengths.map(({ length }) => length) };
  const blockLength = Math.max(...lengths.map(({ length }) => length));
  const unit = answerUnit({ blockLength, ...several });
  for (const { name, length } of lengths) {
    if (maxTokens % length !== 0) {
      throw new LlamaEtsError(
        "ERR_INVALID_OPTION",
        `Expected \`${name}\` to divide \`maxTokens\`, got ${length} and ${maxTokens}`,
        { fix: `maxTokens: ${Math.ceil(maxTokens / unit) * unit}` },
      );
    }
    const blocks = maxTokens / length;
    checkInteger("diffusion.denoisingSteps", denoisingSteps, blocks, maxTokens);
    if (denoisingSteps % blocks !== 0) {
      throw new LlamaEtsError(
        "ERR_INVALID_OPTION",
        `Expected \`diffusion.denoisingSteps\` to be a multiple of the ${blocks} blocks, got ${denoisingSteps}`,
        { fix: `denoisingSteps: ${Math.ceil(denoisingSteps / blocks) * blocks}` },
      );
    }
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
    ...several,
    denoisingSteps,
    remasking,
    cfgScale: checkNumber("diffusion.cfgScale", cfgScale, 0, 100),
    cache: checkOneOf("diffusion.cache", cache, CACHES),
    parallel,
  };
}

/** The lengths of blocks that were asked for, by the names of their options. */
function blockLengthsOf(options: DiffusionOptions, maxTokens: number) {
  const { blockLength = Math.min(DEFAULT_BLOCK_LENGTH, maxTokens), blockLengths } = options;
  if (blockLengths === undefined) return [{ name: "diffusion.blockLength", length: blockLength }];
  const name = "diffusion.blockLengths";
  const list = typeof blockLengths === "string" ? readList(blockLengths) : blockLengths;
  if (!isDense(list) || list.length < 2 || list.length > 64) {
    refuse(name, "2 to 64 lengths, as in [4, 8, 14]", blockLengths);
  }
  return list.map((length, i) => ({ name: `${name}[${i}]`, length }));
}

/** Numbers as the command line has them: 4+8+14, or with commas. */
function readList(text: string): number[] {
  return text.split(/[+,]/).map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
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
