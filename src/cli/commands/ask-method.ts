/** Which method `ask` runs, by the flags and the question. */
import { bundledDefaults } from "../../engine/bundled-models.js";
import { chooseMethod } from "../../methods/auto.js";
import type { MethodName, MethodOptions } from "../../methods/registry.js";
import { namedPotential, parseReward } from "../../rewards/named.js";

/** What the bundled model can be asked: a few sentences with numbers in them. */
export function isWordProblem(question: string): boolean {
  const words = question.match(/\p{L}+/gu) ?? [];
  const numbers = question.match(/\d+/g) ?? [];
  return words.length >= 8 && numbers.length >= 2;
}

interface Asked {
  flags: { model: string; method?: string; task?: string; reward?: string; potential?: string };
  /** What the flags come to, with what suits the bundled models. */
  set: MethodOptions;
  /** Null while it isn't read: then options are only checked. */
  question: string | null;
}

interface Settled {
  name: MethodName | "auto";
  given: MethodOptions;
}

/**
 * A method that was named, or `auto`, which chooses once the model is there. A word problem asked of
 * a bundled model, with no more said, shows ETS at work by the votes of its task.
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
 * The options without what the caller didn't ask for: the block length that suits the bundled models,
 * and their task's way to find answers where the question is no word problem.
 */
function wishedOptions(flags: object, set: MethodOptions, isAnswered: boolean): MethodOptions {
  const { extract, blockTokens, ...rest } = set;
  return {
    ...rest,
    ...("blockTokens" in flags && blockTokens !== undefined && { blockTokens }),
    ...(isAnswered && extract !== undefined && { extract }),
  };
}
