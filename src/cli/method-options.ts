/** From flags to the options of a method. */
import type { BudgetOptions } from "../chain/budget.js";
import { bundledDefaults } from "../engine/bundled-models.js";
import { checkOneOf } from "../engine/check.js";
import { LlamaEtsError } from "../engine/errors.js";
import type { PresetOptions } from "../methods/preset.js";
import type { MethodOptions } from "../methods/registry.js";
import { parseReward } from "../rewards/named.js";
import { toDiffusionOptions } from "./diffusion-options.js";
import { DEFAULT_REWARD, type MethodFlags } from "./method-flags.js";

type SharedOptions = Omit<MethodOptions, "extract" | "proposal" | "reward" | "seed" | "signal">;

/** What a method is asked for, by the flags that were given; the reward is opened later. */
export function toMethodOptions(flags: MethodFlags, task: string | undefined): SharedOptions {
  const preset = toPreset(flags, task);
  const defaults = preset === undefined ? bundledDefaults(flags.model) : {};
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
    lengthPenalty: flags.lengthPenalty,
    alpha: flags.alpha,
    moves: flags.moves,
    preset,
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

function toPreset({ preset }: MethodFlags, task: string | undefined): PresetOptions | undefined {
  if (preset === undefined) return undefined;
  checkOneOf("--preset", preset, ["paper"]);
  if (task !== undefined) return { name: "paper", task };
  throw new LlamaEtsError("ERR_INVALID_OPTION", "--preset needs a --task, whose settings it has");
}

/** Whether the reward is the preset's own: none was named. */
export function hasPresetReward({ preset, reward }: MethodFlags): boolean {
  return preset !== undefined && reward === DEFAULT_REWARD;
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
