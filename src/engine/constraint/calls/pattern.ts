/** Converts expressions to sources of regular expressions with the flags `su`. */
import type { Expression, Grammar, Range } from "../expression.js";

/**
 * @param rules the rules that the expression uses; a rule inside itself matches any text
 * @param dropped texts that are removed from literals
 */
export function patternOf(
  expression: Expression,
  rules: Grammar,
  dropped: readonly string[],
): string {
  return written(expression, { rules, dropped, within: [] });
}

interface Place {
  rules: Grammar;
  dropped: readonly string[];
  /** The names of the rules around this place. */
  within: readonly string[];
}

function written(expression: Expression, place: Place): string {
  switch (expression.type) {
    case "text": {
      const shown = place.dropped.reduce(
        (text, each) => text.replaceAll(each, ""),
        expression.text,
      );
      return shown.replace(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`);
    }
    case "set":
      return `[${expression.ranges.map(writtenRange).join("")}]`;
    case "sequence":
      return expression.parts.map((part) => written(part, place)).join("");
    case "choice":
      return `(?:${expression.options.map((option) => written(option, place)).join("|")})`;
    case "repeat": {
      const { of, min, max } = expression;
      const most = max === Number.POSITIVE_INFINITY ? "" : max;
      return `(?:${written(of, place)}){${min},${most}}`;
    }
    case "rule": {
      const { name } = expression;
      const body = place.rules.get(name);
      if (body === undefined || place.within.includes(name)) return ".*?";
      return written(body, { ...place, within: [...place.within, name] });
    }
  }
}

function writtenRange([from, to]: Range): string {
  const point = (code: number) => `\\u{${code.toString(16)}}`;
  return from === to ? point(from) : `${point(from)}-${point(to)}`;
}
