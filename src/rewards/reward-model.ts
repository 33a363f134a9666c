import {
  checkFunction,
  checkKeys,
  checkModel,
  checkOneOf,
  checkString,
  optional,
} from "../engine/check.js";
import type { Model } from "../engine/engine.js";
import { LlamaEtsError } from "../engine/errors.js";
import { LiteralText } from "../engine/literal-text.js";
import { Judge } from "./judge.js";
import type { Reward, RewardInput } from "./reward.js";
import { beginningsOf, checkSteps, reduceSteps, type StepOptions, type Steps } from "./steps.js";

/** The reward of a text without a finished step. */
const UNJUDGED = 0.5;

/**
 * How a text is presented to the model. Names of special tokens become special tokens, except in the text
 * itself and in the prompt's messages.
 */
export interface RewardTemplate {
  /**
   * Makes the part before the text from the policy's prompt. Default: that prompt. The prompt may have
   * characters of Unicode's private planes around names of special tokens in messages; the function must
   * keep them in place.
   */
  before?: (prompt: string) => string;
  /** The part after the text. Default: the model's end token, or nothing with `steps`. */
  after?: string;
}

/** How a classifier reads a text, and which class is the reward. */
export interface RewardModelOptions {
  template?: RewardTemplate;
  /** The class whose probability is the reward. Default: the model's first. */
  label?: string;
  /**
   * Judges a text's steps, as process reward models do. The class is read where each step ends, and `after`
   * comes after the last mark. An unfinished step isn't judged, and a text without a finished step earns
   * 0.5. Default: the text is judged as a whole.
   */
  steps?: StepOptions;
}

/**
 * The probability, from 0 to 1, that a classifier gives a class of the text, such as `right` or `yes`. The
 * classifier is a GGUF model with a classification head (rank pooling). A pool is judged in one call, which
 * reads the prompt once. Disposing the reward does not dispose the model.
 *
 * @example
 * await using judge = await loadModel("mini-gsm-verifier");
 * const result = await bestOfN(model, question, { reward: rewardModel(judge) });
 *
 * @throws LlamaEtsError `ERR_UNSUPPORTED_MODEL` for a model without such a head,
 *   `ERR_INVALID_OPTION`
 */
export function rewardModel(model: Model, options: RewardModelOptions = {}): Reward {
  checkModel("model", model);
  checkKeys("rewardModel", options, ["template", "label", "steps"]);
  const { labels, eos, eot } = model.info;
  if (labels.length === 0) {
    throw new LlamaEtsError("ERR_UNSUPPORTED_MODEL", `${model.path} has no classification head`, {
      fix: "a qwen3 classifier or reranker with labelled classes, as mini-gsm-verifier is",
    });
  }
  const { template = {}, label = labels[0] as string } = options;
  checkKeys("template", template, ["before", "after"]);
  optional(checkFunction, "template.before", template.before);
  optional(checkString, "template.after", template.after);
  const at = labels.indexOf(checkOneOf("label", label, labels));
  const end = eos ?? eot;
  const before = template.before ?? ((prompt) => prompt);
  const steps = optional(checkSteps, "steps", options.steps);
  const ends = end === null || steps !== undefined ? "" : model.tokenText(end);
  const after = template.after ?? ends;
  const read = (text: string) => model.tokenize(checkString("template", text), { special: true });
  const tail = read(after);
  const readPrompt = ({ prompt, specials }: Pick<RewardInput, "prompt" | "specials">) => {
    const text = checkString("template", before(prompt));
    if (specials === undefined) return read(text);
    const literal = new LiteralText(model, [prompt, text]);
    const marked = protectAround(literal, prompt, specials);
    return literal.hasMarks ? literal.read(before(marked), text).tokens : read(text);
  };
  const mark = steps?.mark == null ? null : read(steps.mark);
  const plain = (text: string) => Int32Array.of(...model.tokenize(text), ...tail);
  const stepTokens = (beginning: readonly string[], { separator }: Steps) => {
    if (mark === null) return plain(beginning.map((step) => `${step}${separator}`).join(""));
    return Int32Array.of(
      ...beginning.flatMap((step) => [...model.tokenize(step), ...mark]),
      ...tail,
    );
  };
  const judge = new Judge(model);
  return {
    models: [model],
    name: `model:${model.metadata["general.name"] ?? labels[at]}`,
    async score({ pool, ...asked }) {
      const prefix = readPrompt(asked);
      if (prefix.length === 0) {
        throw new LlamaEtsError("ERR_REWARD", "A reward model needs the prompt as text");
      }
      const classify = async (texts: readonly Int32Array[]) => {
        const judged = texts.length === 0 ? [] : await judge.classify(prefix, texts);
        return judged.map((classes) => classes[at] as number);
      };
      if (steps === undefined) return classify(pool.map(({ text }) => plain(text)));
      const beginnings = pool.map((completion) => beginningsOf(completion, steps));
      const scores = await classify(
        beginnings.flat().map((beginning) => stepTokens(beginning, steps)),
      );
      return beginnings.map(({ length }) => reduceSteps(scores.splice(0, length), steps, UNJUDGED));
    },
    [Symbol.asyncDispose]: () => judge[Symbol.asyncDispose](),
  };
}

/** Marks everything except the special tokens as literal text. */
function protectAround(
  literal: LiteralText,
  text: string,
  specials: NonNullable<RewardInput["specials"]>,
): string {
  let marked = "";
  let from = 0;
  for (const { start, end } of specials) {
    marked += literal.protect(text.slice(from, start)) + text.slice(start, end);
    from = end;
  }
  return marked + literal.protect(text.slice(from));
}
