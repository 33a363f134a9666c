/** From flags to the options of a method. */
import type { BudgetOptions } from "../chain/budget.js";
import { BUNDLED_PROPOSAL, bundledDefaults, DEFAULT_MODEL } from "../engine/bundled-models.js";
import { LlamaEtsError } from "../engine/errors.js";
import type { MethodOptions } from "../methods/options.js";
import { parseReward } from "../rewards/named.js";
import { toDiffusionOptions } from "./diffusion-options.js";
import type { MethodFlags } from "./method-flags.js";

type SharedOptions = Omit<MethodOptions, "extract" | "proposal" | "reward" | "seed" | "signal">;

/** What a method is asked for, by the flags that were given; the reward is opened later. */
export function toMethodOptions(flags: MethodFlags): SharedOptions {
  const defaults = bundledDefaults(flags.model);
  parseReward(flags.reward);
  const { budgetTokens: tokens, budgetMs: ms } = flags;
  const budget: BudgetOptions = {
    ...(tokens !== undefined && { tokens }),
    ...(ms !== undefined && { ms }),
  };
  const given = {
    candidates: flags.candidates,
    rollouts: flags.rollouts,
    steps: flags.steps,
    blockTokens:
      flags.blockTokens ??
      (flags.steps === undefined && !flags.adaptive ? defaults.blockTokens : undefined),
    lambda: flags.lambda,
    maxTokens: flags.maxTokens ?? defaults.maxTokens,
    temperature: flags.temperature,
    topK: flags.topK,
    topP: flags.topP,
    minP: flags.minP,
    finish: flags.finish as "chain" | "resample" | undefined,
    adaptive: flags.adaptive,
    stop: flags.stop,
    system: flags.system,
    raw: flags.raw,
    thinking: flags.thinking,
    weights: flags.weights as MethodOptions["weights"] | undefined,
    mixture: flags.mixture,
    proposalSampling: toProposalSampling(flags),
  };
  const present = Object.fromEntries(Object.entries(given).filter(([, v]) => v !== undefined));
  return {
    ...present,
    ...toDiffusionOptions(flags, defaults.diffusion),
    budget,
  };
}

function toProposalSampling(flags: MethodFlags): MethodOptions["proposalSampling"] {
  const given = {
    temperature: flags.proposalTemperature,
    topK: flags.proposalTopK,
    topP: flags.proposalTopP,
    minP: flags.proposalMinP,
  };
  const present = Object.entries(given).filter(([, value]) => value !== undefined);
  return present.length > 0 ? Object.fromEntries(present) : undefined;
}

/** The model that draws the rollouts of ETS-IS: the one named, or the bundled model's. */
export function proposalSource({ model, proposal }: MethodFlags): string {
  const source = proposal ?? (model === DEFAULT_MODEL ? BUNDLED_PROPOSAL : undefined);
  if (source !== undefined) return source;
  throw new LlamaEtsError(
    "ERR_INVALID_OPTION",
    "Expected --proposal, the model that draws the rollouts",
    { fix: "a smaller model of the same family" },
  );
}
