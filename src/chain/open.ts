/** The chain of a model, by its kind. */

import { LlamaEtsError } from "../engine/errors.js";
import type { Model } from "../engine/local/model.js";
import type { Sampling } from "../engine/sampling.js";
import type { ContextPlan } from "../planning/capacity.js";
import { AutoregressiveChain, type AutoregressiveOptions } from "./autoregressive.js";
import { AutoregressiveProposal } from "./autoregressive-proposal.js";
import type { Chain, Proposal } from "./chain.js";
import { type DenoisingSettings, guidanceLength, type ImportanceRatio } from "./denoising.js";
import { DiffusionChain, DiffusionProposal } from "./diffusion.js";

export interface ChainOptions extends AutoregressiveOptions {
  /** Of a diffusion model; null for others. */
  diffusion: DenoisingSettings | null;
  /** Of the proposal, if there is one. */
  proposalSampling: Sampling | null;
  proposalDiffusion: DenoisingSettings | null;
  ratio: ImportanceRatio;
  /** Told what is done in another way than asked for. */
  onWarning?: (message: string) => void;
}

/** Takes or makes the planned context for the run. */
export async function openChain(
  model: Model,
  plan: ContextPlan,
  options: ChainOptions,
): Promise<Chain> {
  const { diffusion: denoising, blockTokens, maxTokens, metrics } = options;
  if (denoising === null) return AutoregressiveChain.open(model, plan, options);
  if (metrics.length > 0) {
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      `The reward needs the ${metrics.join(" and ")} of tokens, which a diffusion model's texts don't have`,
      { fix: "the reward `confidence`" },
    );
  }
  const length = guidanceLength(denoising, blockTokens, maxTokens);
  return DiffusionChain.open(model, plan, { ...options, denoising }, length);
}

/** As `openChain`, for the model that draws the rollouts of ETS-IS. */
export async function openProposal(
  model: Model,
  plan: ContextPlan,
  options: ChainOptions,
): Promise<Proposal> {
  const { proposalSampling, proposalDiffusion: denoising } = options;
  // What texts carry is the reference's, which scores the rollouts.
  const own = { ...options, sampling: proposalSampling ?? options.sampling, metrics: [] };
  return denoising === null
    ? AutoregressiveProposal.open(model, plan, own)
    : DiffusionProposal.open(model, plan, { ...own, denoising });
}
