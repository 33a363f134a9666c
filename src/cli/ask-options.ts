import { bundledDefaults } from "../engine/bundled-models.js";
import type { MethodOptions } from "../methods/options.js";
import { type OpenedReward, openReward } from "../rewards/named.js";
import { findTask } from "../tasks/index.js";
import type { Task } from "../tasks/task.js";
import type { AskFlags } from "./ask-flags.js";
import { toMethodOptions } from "./method-options.js";

/** What the library is asked for, by the flags that were given; the reward is opened later. */
export async function toAskOptions(flags: AskFlags): Promise<MethodOptions> {
  const task = await taskOf(flags);
  return {
    ...toMethodOptions(flags),
    ...(flags.seed !== undefined && { seed: flags.seed }),
    ...(task && { extract: (text: string) => task.extract(text) }),
  };
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
