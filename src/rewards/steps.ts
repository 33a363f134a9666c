/** Divides texts into steps, which process reward models judge one by one. */
import { checkKeys, checkOneOf, checkString, optional } from "../engine/check.js";
import { LlamaEtsError } from "../engine/errors.js";
import type { Completion } from "./reward.js";

const REDUCTIONS = ["last", "min", "mean", "product"] as const;

/** How the steps of a text are found, and how their scores are combined. */
export interface StepOptions {
  /** Ends a step of a text, such as "\n\n"; at least one character. */
  separator: string;
  /**
   * The text that replaces a separator for the judge, such as its token "<extra_0>". Names of special
   * tokens become special tokens. Default: the separator, as text.
   */
  mark?: string;
  /**
   * How the text's score is computed from those of its steps: the last one, the smallest, their mean, or
   * their product. Default "last".
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
 * The beginnings of a text that a judge reads, each as a list of steps: the first step, the first two, and
 * so on. An unfinished step is left out. If no step is finished, the result is empty.
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

/** Combines the scores of a text's steps; `none` if there are no steps. */
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
