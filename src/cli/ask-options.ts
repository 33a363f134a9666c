import type { BudgetOptions } from "../chain/budget.js";
import { bundledDefaults } from "../engine/bundled-models.js";
import { checkOneOf } from "../engine/check.js";
import type { MethodOptions } from "../methods/options.js";
import { loadRewardModule } from "../rewards/module.js";
import { selfConsistency } from "../rewards/self-consistency.js";
import { findTask } from "../tasks/index.js";
import type { Task } from "../tasks/task.js";
import type { AskFlags } from "./ask-flags.js";

/** What the library is asked for, by the flags that were given. */
export async function toMethodOptions(flags: AskFlags): Promise<MethodOptions> {
  const defaults = bundledDefaults(flags.model);
  const taskName = flags.task ?? defaults.task;
  const task = taskName === undefined ? undefined : await findTask(taskName);
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
    maxTokens: flags.maxTokens,
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
    reward: await resolveReward(flags.reward, task),
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

async function resolveReward(name: string, task: Task | undefined) {
  if (name.startsWith("module:")) return loadRewardModule(name.slice("module:".length));
  checkOneOf("--reward", name, ["self-consistency"]);
  return selfConsistency({
    ...(task && { extract: (text) => task.extract(text) }),
    ...(task?.isFinal && { isFinal: task.isFinal }),
  });
}
