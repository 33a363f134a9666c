/** The options of diffusion models on the command line. */
import type { Command } from "commander";
import type { ImportanceRatio } from "../chain/denoising.js";
import {
  CACHES,
  type DiffusionCache,
  type ParallelRule,
  REMASKING,
  type Remasking,
} from "../engine/denoising-request.js";
import { LlamaEtsError } from "../engine/errors.js";
import type { DiffusionOptions } from "../methods/diffusion-options.js";
import type { MethodOptions } from "../methods/registry.js";
import { given } from "./given.js";
import { numberOption } from "./numbers.js";

/** The library checks what the names stand for. */
export interface DiffusionFlags {
  denoisingSteps?: number;
  blockLength?: number;
  remasking?: Remasking;
  cfgScale?: number;
  cache?: DiffusionCache;
  parallelThreshold?: number;
  parallelFactor?: number;
  proposalCache?: DiffusionCache;
  proposalThreshold?: number;
  proposalFactor?: number;
  ratio?: ImportanceRatio;
}

export function addDiffusionOptions(command: Command): Command {
  return command
    .option(
      "--denoising-steps <n>",
      "diffusion models: steps over the answer (default: one a token)",
      numberOption,
    )
    .option("--block-length <n>", "positions unmasked block by block (default: 32)", numberOption)
    .option("--remasking <rule>", `${REMASKING.join(", ")} (default: low-confidence)`)
    .option("--cfg-scale <x>", "classifier-free guidance (default: 0)", numberOption)
    .option("--cache <kind>", `of Fast-dLLM: ${CACHES.join(", ")} (default: none)`)
    .option("--parallel-threshold <x>", "unmask all that are this probable", numberOption)
    .option("--parallel-factor <x>", "unmask in parallel by the factor rule", numberOption)
    .option("--proposal-cache <kind>", "ets-is: the rollouts' --cache (default: dual)")
    .option("--proposal-threshold <x>", "ets-is: the rollouts' --parallel-threshold", numberOption)
    .option("--proposal-factor <x>", "ets-is: the rollouts' --parallel-factor", numberOption)
    .option("--ratio <kind>", "ets-is: exact (refuses where it can't be), approximate, one-pass");
}

/** The library's options; none that wasn't given. */
export function toDiffusionOptions(
  flags: DiffusionFlags,
  defaults: DiffusionOptions | undefined,
): Pick<MethodOptions, "diffusion" | "proposalDiffusion" | "ratio"> {
  const diffusion = {
    ...defaults,
    ...given({
      denoisingSteps: flags.denoisingSteps,
      blockLength: flags.blockLength,
      remasking: flags.remasking,
      cfgScale: flags.cfgScale,
      cache: flags.cache,
      parallel: parallelOf("--parallel", flags.parallelThreshold, flags.parallelFactor),
    }),
  };
  const proposalDiffusion = given({
    cache: flags.proposalCache,
    parallel: parallelOf("--proposal", flags.proposalThreshold, flags.proposalFactor),
  });
  const isEmpty = (options: object) => Object.keys(options).length === 0;
  return given({
    diffusion: isEmpty(diffusion) ? undefined : diffusion,
    proposalDiffusion: isEmpty(proposalDiffusion) ? undefined : proposalDiffusion,
    ratio: flags.ratio,
  });
}

function parallelOf(
  name: string,
  threshold: number | undefined,
  factor: number | undefined,
): ParallelRule | undefined {
  if (threshold !== undefined && factor !== undefined) {
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      `Expected ${name}-threshold or ${name}-factor, got both`,
    );
  }
  if (threshold !== undefined) return { threshold };
  return factor === undefined ? undefined : { factor };
}
