/** The options of diffusion models on the command line. */
import type { Command } from "commander";
import { CACHES, type ParallelRule, REMASKING } from "../engine/denoising-request.js";
import { LlamaEtsError } from "../engine/errors.js";
import type { DiffusionOptions } from "../methods/diffusion-options.js";
import type { MethodOptions } from "../methods/registry.js";
import { numberOption } from "./numbers.js";

export interface DiffusionFlags {
  denoisingSteps?: number;
  blockLength?: number;
  remasking?: string;
  cfgScale?: number;
  cache?: string;
  parallelThreshold?: number;
  parallelFactor?: number;
  proposalCache?: string;
  proposalThreshold?: number;
  proposalFactor?: number;
  ratio?: string;
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
    ...present({
      denoisingSteps: flags.denoisingSteps,
      blockLength: flags.blockLength,
      remasking: flags.remasking,
      cfgScale: flags.cfgScale,
      cache: flags.cache,
      parallel: parallelOf("--parallel", flags.parallelThreshold, flags.parallelFactor),
    }),
  };
  const proposalDiffusion = present({
    cache: flags.proposalCache,
    parallel: parallelOf("--proposal", flags.proposalThreshold, flags.proposalFactor),
  });
  const isEmpty = (options: object) => Object.keys(options).length === 0;
  return present({
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

function present(options: object): object {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
