import type { BudgetOptions } from "../chain/budget.js";
import { bundledDefaults } from "../engine/bundled-models.js";
import type { MethodOptions } from "../methods/options.js";
import { type OpenedReward, openReward, parseReward } from "../rewards/named.js";
import { findTask } from "../tasks/index.js";
import type { Task } from "../tasks/task.js";
import type { AskFlags } from "./ask-flags.js";
import { toDiffusionOptions } from "./diffusion-options.js";

/** What the library is asked for, by the flags that were given; the reward is opened later. */
export async function toMethodOptions(flags: AskFlags): Promise<MethodOptions> {
  const defaults = bundledDefaults(flags.model);
  const task = await taskOf(flags);
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
    seed: flags.seed,
    weights: flags.weights as MethodOptions["weights"] | undefined,
    mixture: flags.mixture,
    proposalSampling: toProposalSampling(flags),
  };
  const present = Object.fromEntries(Object.entries(given).filter(([, v]) => v !== undefined));
  return {
    ...present,
    ...toDiffusionOptions(flags, defaults.diffusion),
    ...(task && { extract: (text: string) => task.extract(text) }),
    budget,
  };
}

function toProposalSampling(flags: AskFlags): MethodOptions["proposalSampling"] {
  const given = {
    temperature: flags.proposalTemperature,
    topK: flags.proposalTopK,
    topP: flags.proposalTopP,
    minP: flags.proposalMinP,
  };
  const present = Object.entries(given).filter(([, value]) => value !== undefined);
  return present.length > 0 ? Object.fromEntries(present) : undefined;
}

/** The reward that `--reward` names. */
export async function openNamedReward(flags: AskFlags): Promise<OpenedReward> {
  const task = await taskOf(flags);
  return openReward(flags.reward, {
    ...(task && { extract: (text: string) => task.extract(text) }),
    ...(task?.isFinal && { isFinal: task.isFinal }),
  });
}

async function taskOf({ task, model }: AskFlags): Promise<Task | undefined> {
  const name = task ?? bundledDefaults(model).task;
  return name === undefined ? undefined : findTask(name);
}
