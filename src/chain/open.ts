/** Opens the chain and the proposal of a model, by the model's kind. */

import type { Model } from "../engine/engine.js";
import { LlamaEtsError } from "../engine/errors.js";
import type { Sampling } from "../engine/sampling.js";
import { refuseUnable } from "../planning/abilities.js";
import type { ContextPlan } from "../planning/context-plan.js";
import { AutoregressiveChain } from "./autoregressive.js";
import { AutoregressiveProposal } from "./autoregressive-proposal.js";
import type { Chain, Proposal } from "./chain.js";
import type { ChainOptions, DenoisingOptions } from "./chain-options.js";
import type { DenoisingSettings } from "./denoising.js";
import { DiffusionChain, DiffusionProposal } from "./diffusion.js";
import { specialStops } from "./stop-strings.js";

/** Opens a model's chain. It leases or makes the planned context for the run. */
export async function openChain(
  model: Model,
  plan: ContextPlan,
  options: ChainOptions,
): Promise<Chain> {
  const { metrics, policy } = options;
  specialStops(model, policy.stop); // throws for invalid stop strings before a context is made
  if (!isDenoised(options)) {
    refuseUnable("What is measured of tokens", model, metrics.length > 0 ? ["metrics"] : []);
    return AutoregressiveChain.open(model, plan, options);
  }
  if (metrics.length > 0) {
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      `The reward needs the ${metrics.join(" and ")} of tokens, which a diffusion model's texts don't have`,
      { fix: "the reward `confidence`" },
    );
  }
  return DiffusionChain.open(model, plan, options);
}

/** The options in which a proposal differs from the chain. */
export interface ProposalPolicy {
  sampling: Sampling;
  /** Null for an autoregressive model. */
  denoising: DenoisingSettings | null;
}

/** Like `openChain`, for the model that draws the rollouts of ETS-IS. */
export async function openProposal(
  model: Model,
  plan: ContextPlan,
  options: ChainOptions,
  { sampling, denoising }: ProposalPolicy,
): Promise<Proposal> {
  // The proposal measures no metrics, because the reference scores the rollouts and measures them.
  const own = { ...options, policy: { ...options.policy, sampling }, denoising, metrics: [] };
  specialStops(model, own.policy.stop);
  return isDenoised(own)
    ? DiffusionProposal.open(model, plan, own)
    : AutoregressiveProposal.open(model, plan, own);
}

function isDenoised(options: ChainOptions): options is DenoisingOptions {
  return options.denoising !== null;
}
