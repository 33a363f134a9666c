/** Texts judged step by step, as process reward models do. */
import { checkKeys, checkOneOf, checkString, optional } from "../engine/check.js";
import { LlamaEtsError } from "../engine/errors.js";
import type { Completion } from "./reward.js";

const REDUCTIONS = ["last", "min", "mean", "product"] as const;

/** How a process reward model's steps are found, and what their scores come to. */
export interface StepOptions {
  /** Ends a step of a text, such as "\n\n"; at least one character. */
  separator: string;
  /**
   * What the judge reads in the place of a separator, such as its token "<extra_0>"; what looks like
   * a special token is one. Default: the separator, as text.
   */
  mark?: string;
  /**
   * How the steps' scores make the text's: the last one's, the least, their mean, or their product.
   * Default "last".
   */
  reduce?: (typeof REDUCTIONS)[number];
}

export interface Steps extends Omit<Required<StepOptions>, "mark"> {
  /** Null: the separator, as text. */
  mark: string | null;
}

/** Throws `ERR_INVALID_OPTION`. */
export function checkSteps(name: string, steps: StepOptions): Steps {
  checkKeys(name, steps, ["separator", "mark", "reduce"]);
  const separator = checkString(`${name}.separator`, steps.separator);
  if (separator === "") {
    throw new LlamaEtsError("ERR_INVALID_OPTION", `Expected \`${name}.separator\` to hold text`, {
      fix: String.raw`"\n\n"`,
    });
  }
  const { mark, reduce = "last" } = steps;
  return {
    separator,
    mark: optional(checkString, `${name}.mark`, mark) ?? null,
    reduce: checkOneOf(`${name}.reduce`, reduce, REDUCTIONS),
  };
}

/**
 * The steps of each beginning of a text that a judge reads: the first step, the first two, and so on.
 * A step that isn't finished is left out; before the first one has ended there is none.
 */
export function beginningsOf(
  { text, finishReason }: Pick<Completion, "text" | "finishReason">,
  { separator }: Pick<Steps, "separator">,
): string[][] {
  const parts = text.split(separator);
  const open = parts.pop() ?? "";
  // The end of a text ends its last step.
  if (finishReason !== null && open !== "") parts.push(open);
  const steps = parts.filter((part) => part.trim() !== "");
  return steps.map((_, i) => steps.slice(0, i + 1));
}

/** A text's score of its steps'; `none` where it has none. */
export function reduceSteps(
  scores: readonly number[],
  { reduce }: Pick<Steps, "reduce">,
  none: number,
): number {
  if (scores.length === 0) return none;
  if (reduce === "last") return scores.at(-1) as number;
  if (reduce === "min") return Math.min(...scores);
  if (reduce === "product") return scores.reduce((a, b) => a * b, 1);
  return scores.reduce((a, b) => a + b, 0) / scores.length;
}
