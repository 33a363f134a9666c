/** Chooses the method that `ask` runs, by the flags and the question. */
import { bundledDefaults } from "../../engine/bundled-models.js";
import { chooseMethod } from "../../methods/auto.js";
import type { MethodName, MethodOptions } from "../../methods/registry.js";
import { namedPotential, parseReward } from "../../rewards/named.js";

/** Returns whether the bundled model may understand a question: a few sentences with numbers. */
export function isWordProblem(question: string): boolean {
  const words = question.match(/\p{L}+/gu) ?? [];
  const numbers = question.match(/\d+/g) ?? [];
  return words.length >= 8 && numbers.length >= 2;
}

interface Asked {
  flags: { model: string; method?: string; task?: string; reward?: string; potential?: string };
  /** The options of the flags, with the defaults of the bundled models. */
  set: MethodOptions;
  /** Null before the question is read; then the options are only checked. */
  question: string | null;
}

interface Settled {
  name: MethodName | "auto";
  given: MethodOptions;
}

/**
 * Returns the named method, or `auto`, which chooses once the model is loaded. For a word problem to a
 * bundled model without further flags it returns ETS with votes on the answers, to demonstrate ETS.
 *
 * @throws LlamaEtsError `ERR_INVALID_OPTION`
 */
export function settled(named: MethodName | "auto", { flags, set, question }: Asked): Settled {
  if (named !== "auto") return { name: named, given: set };
  const { model, method, task, reward, potential } = flags;
  const isAnswered =
    task !== undefined ||
    (set.constraint === undefined && (question === null || isWordProblem(question)));
  const wished = wishedOptions(flags, set, isAnswered);
  if (reward !== undefined) parseReward(reward);
  const choice = chooseMethod({
    ...wished,
    ...(reward !== undefined && { reward: namedPotential(reward) }),
    ...(potential !== undefined && { potential: namedPotential(potential) }),
  });
  const says = [method, task, reward, potential, set.constraint];
  const isBundled = bundledDefaults(model).task !== undefined;
  const isFirst =
    isBundled &&
    question !== null &&
    isWordProblem(question) &&
    says.every((one) => one === undefined);
  if (isFirst || choice.method === "ets") return { name: "ets", given: set };
  return { name: "auto", given: wished };
}

/**
 * Removes the defaults of the bundled models that the caller didn't ask for: the block length, and the task's
 * answer extraction if the question isn't a word problem.
 */
function wishedOptions(flags: object, set: MethodOptions, isAnswered: boolean): MethodOptions {
  const { extract, blockTokens, ...rest } = set;
  return {
    ...rest,
    ...("blockTokens" in flags && blockTokens !== undefined && { blockTokens }),
    ...(isAnswered && extract !== undefined && { extract }),
  };
}
