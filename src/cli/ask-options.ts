import { bundledDefaults } from "../engine/bundled-models.js";
import type { MethodOptions } from "../methods/registry.js";
import { type OpenedReward, openReward } from "../rewards/named.js";
import { findTask } from "../tasks/index.js";
import type { Task, TaskPrompt } from "../tasks/task.js";
import type { AskFlags } from "./ask-flags.js";
import { loadNamedModel } from "./load-named-model.js";
import { hasPresetReward, toMethodOptions } from "./method-options.js";

/** What the library is asked for, by the flags that were given; the reward is opened later. */
export async function toAskOptions(flags: AskFlags): Promise<MethodOptions> {
  const task = await taskOf(flags);
  return {
    ...toMethodOptions(flags, task?.name),
    ...(flags.seed !== undefined && { seed: flags.seed }),
    ...(task && { extract: (text: string) => task.extract(text) }),
  };
}

/** What the model is asked: the question, or under a preset the task's few-shot text around it. */
export async function toAskPrompt(
  flags: AskFlags,
  question: string,
): Promise<Pick<TaskPrompt, "prompt" | "stop" | "raw">> {
  const task = await taskOf(flags);
  if (task === undefined || flags.preset === undefined)
    return { prompt: question, stop: [], raw: false };
  return task.prompt({ id: "asked", prompt: question, gold: "" }, "paper");
}

/** The reward that `--reward` names; null: the preset's. */
export async function openNamedReward(
  flags: AskFlags,
  signal?: AbortSignal,
): Promise<OpenedReward | null> {
  if (hasPresetReward(flags)) return null;
  const task = await taskOf(flags);
  return openReward(flags.reward, {
    ...(task && { extract: (text: string) => task.extract(text) }),
    ...(task?.answerEnd && { answerEnd: task.answerEnd }),
    loadModel: (model) => loadNamedModel({ ...flags, model }, signal),
  });
}

async function taskOf({ task, model }: AskFlags): Promise<Task | undefined> {
  const name = task ?? bundledDefaults(model).task;
  return name === undefined ? undefined : findTask(name);
}
