/** Finds the shortest texts of a grammar. */
import { type Expression, type Grammar, NEVER, type Range } from "./expression.js";

/** The shortest text of each rule that has one. Of equally short texts it takes the first alternative's. */
export function shortestTexts(rules: Grammar): ReadonlyMap<string, string> {
  const texts = new Map<string, string>();
  for (let isChanged = true; isChanged; ) {
    isChanged = false;
    for (const [name, body] of rules) {
      const found = shortestOf(body, texts);
      const before = texts.get(name);
      if (found === undefined || (before !== undefined && before.length <= found.length)) continue;
      texts.set(name, found);
      isChanged = true;
    }
  }
  return texts;
}

/** The shortest text of an expression, from the rules' known texts; undefined if none is known. */
function shortestOf(
  expression: Expression = NEVER,
  texts: ReadonlyMap<string, string>,
): string | undefined {
  switch (expression.type) {
    case "set":
      return expression.ranges.length === 0
        ? undefined
        : String.fromCodePoint(readable(expression.ranges));
    case "text":
      return expression.text;
    case "rule":
      return texts.get(expression.name);
    case "sequence":
      return joined(expression.parts.map((part) => shortestOf(part, texts)));
    case "choice":
      return expression.options
        .map((option) => shortestOf(option, texts))
        .reduce(
          (a, b) => (a === undefined || (b !== undefined && b.length < a.length) ? b : a),
          undefined,
        );
    case "repeat": {
      const once = expression.min === 0 ? "" : shortestOf(expression.of, texts);
      return once?.repeat(expression.min);
    }
  }
}

function joined(parts: readonly (string | undefined)[]): string | undefined {
  return parts.includes(undefined) ? undefined : parts.join("");
}

/** A readable character of the ranges: a, A or 0 if they contain it, otherwise their first. */
export function readable(ranges: readonly Range[]): number {
  const plain = [0x61, 0x41, 0x30].find((point) =>
    ranges.some(([from, to]) => from <= point && point <= to),
  );
  return plain ?? ranges[0]?.[0] ?? 0;
}
