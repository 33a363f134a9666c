/** Chooses the method of `auto` in an evaluation, once for all items, by the task and the options. */
import { given } from "../engine/given.js";
import type { AutoChoice } from "../methods/auto.js";
import { chooseByName, type NamedOptions, optionsByName } from "../methods/auto-by-name.js";
import { SHARED_NAMES } from "../methods/options/given.js";
import { DEFAULT_REWARD } from "../rewards/named.js";

/**
 * Options of guided runs. `auto` takes them from its own options only, not from those that all methods share.
 */
const OF_NAMED_METHODS = [
  "rollouts",
  "steps",
  "blockTokens",
  "block",
  "adaptive",
  "preset",
  "lambda",
  "finish",
];

/** The options that `auto` takes, among those that all methods share. */
export function sharedWithAuto<T extends object>(options: T): Partial<T> {
  const taken = Object.entries(options).filter(
    ([name]) => SHARED_NAMES.includes(name) && !OF_NAMED_METHODS.includes(name),
  );
  return Object.fromEntries(taken) as Partial<T>;
}

/** What the choice depends on besides the options. */
interface AutoSetting {
  /** The evaluation's reward, by name. */
  reward: string;
  /** Whether texts can agree on the task's answers. */
  canVote: boolean;
  /** The longest text in tokens, if the task's prompts set it and the options don't. */
  maxTokens: number | undefined;
  isDiffusion: boolean;
}

/**
 * Chooses what `auto` runs on a task, and the options that the evaluation calls it with. For time budgets it
 * measures no speed, so that a resumed run has the same method.
 *
 * @throws LlamaEtsError `ERR_INVALID_OPTION`
 */
export function chooseForTask(
  options: NamedOptions,
  { reward: shared, canVote, maxTokens, isDiffusion }: AutoSetting,
): { choice: AutoChoice; options: NamedOptions } {
  const { reward = shared, ...others } = options;
  const asked = {
    ...others,
    ...(reward !== DEFAULT_REWARD && { reward }),
    ...(canVote && { extract: (text: string) => text }),
  };
  const length = options.maxTokens ?? maxTokens;
  const choice = chooseByName({ ...asked, ...given({ maxTokens: length }) }, { isDiffusion });
  const { extract: _, reward: judge, ...own } = optionsByName(asked, choice);
  // The evaluation gives its own reward to every method.
  return { choice, options: { ...own, ...(judge !== shared && given({ reward: judge })) } };
}
