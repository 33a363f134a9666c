/** Determines how a run is divided into guidance steps. */
import { type DenoisingSettings, guidanceLength } from "../../chain/denoising.js";
import { checkInteger, checkOneOf } from "../../engine/check.js";
import { LlamaEtsError } from "../../engine/errors.js";
import type { MethodFacts } from "../method.js";
import { BLOCK_KINDS, type BlockKind, type CommonOptions } from "./common.js";
import type { Guidance } from "./settings.js";

/** The numbers on which the division depends. */
interface Length {
  maxTokens: number;
  defaultBlock: number;
  denoising: DenoisingSettings | null;
}

/**
 * I and B for a method that leaves them open, and where blocks end. If the text decides where they end,
 * blocks have at least a quarter of B tokens, and I is the largest possible number of steps.
 *
 * @throws LlamaEtsError `ERR_INVALID_OPTION`
 */
export function resolveBlocks(
  method: MethodFacts,
  options: CommonOptions,
  length: Length,
): Pick<Guidance, "steps" | "blockTokens" | "leastTokens" | "block"> {
  const { maxTokens } = length;
  const block = resolveKind(method, options.block, length);
  const { steps, blockTokens } = {
    ...resolveSteps(options, length),
    ...method.fixed?.(maxTokens),
  };
  if (block === "tokens") return { steps, blockTokens, leastTokens: blockTokens, block };
  const leastTokens = Math.ceil(blockTokens / 4);
  return { steps: Math.ceil(maxTokens / leastTokens), blockTokens, leastTokens, block };
}

function resolveKind(
  method: MethodFacts,
  block: BlockKind = "tokens",
  { denoising }: Length,
): BlockKind {
  checkOneOf("block", block, BLOCK_KINDS);
  if (block === "tokens" || !method.guidance.includes("block")) return "tokens";
  if (denoising === null) return block;
  throw new LlamaEtsError(
    "ERR_INVALID_OPTION",
    `A diffusion model's steps can't end at \`block: ${JSON.stringify(block)}\`: it doesn't write from left to right`,
    { fix: "blockTokens" },
  );
}

/** Computes I from B or B from I: B = ceil(maxTokens / I), or a whole number of denoising steps. */
function resolveSteps(
  { steps, blockTokens }: CommonOptions,
  { maxTokens, defaultBlock, denoising }: Length,
): { steps: number; blockTokens: number } {
  if (steps !== undefined && blockTokens !== undefined) {
    throw new LlamaEtsError("ERR_INVALID_OPTION", "Expected `steps` or `blockTokens`, got both");
  }
  const block =
    steps === undefined
      ? checkInteger(
          "blockTokens",
          blockTokens === undefined ? defaultBlock : blockTokens,
          1,
          2 ** 24,
        )
      : Math.ceil(maxTokens / checkInteger("steps", steps, 1, 2 ** 24));
  const fitting = Math.min(block, maxTokens);
  if (denoising !== null) {
    const { denoisingSteps } = denoising;
    const length = guidanceLength(denoising, fitting, maxTokens);
    return {
      steps: Math.ceil(denoisingSteps / length),
      blockTokens: Math.ceil((length * maxTokens) / denoisingSteps),
    };
  }
  return { steps: Math.ceil(maxTokens / fitting), blockTokens: fitting };
}
