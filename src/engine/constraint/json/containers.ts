/** Common parts of arrays and objects. */
import {
  EMPTY,
  type Expression,
  isNever,
  NEVER,
  optional,
  repeat,
  rule,
  sequence,
  text,
} from "../expression.js";
import type { Part } from "./alternative.js";

/** White space between the parts of JSON: none, one space, or a line feed with an indentation. */
export const SPACE: Expression = rule("space");

/** Gives arrays and objects the expressions of the values in them. */
export interface Values {
  /** The values that are valid by all of these schemas; any value if there are none. */
  of(parts: readonly Part[]): Expression;
  isValid(part: Part, value: unknown): boolean;
}

/** From `min` to `max` items, separated by commas. */
export function list(item: Expression, min: number, max = Number.POSITIVE_INFINITY): Expression {
  if (max === 0) return EMPTY;
  const more = repeat(sequence(text(","), SPACE, item), Math.max(0, min - 1), max - 1);
  const all = sequence(item, more);
  return min === 0 ? optional(all) : all;
}

/** An array or an object; its content may be empty. */
export function bracketed(open: string, content: Expression, close: string): Expression {
  const isOptional = content.type === "repeat" && content.min === 0 && content.max === 1;
  if (isNever(content)) return NEVER;
  if (content.type === "sequence" && content.parts.length === 0) {
    return sequence(text(open), SPACE, text(close));
  }
  const inner = isOptional ? optional(sequence(content.of, SPACE)) : sequence(content, SPACE);
  return sequence(text(open), SPACE, inner, text(close));
}
