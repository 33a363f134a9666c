/** Removes the parts of a grammar that aren't needed. */
import { canEnd } from "./check-rules.js";
import { choice, type Expression, type Grammar, NEVER, repeat, sequence } from "./expression.js";

/**
 * Returns the rules that `root` uses, without the parts that never end.
 *
 * @param ending the rules that can produce a finite text
 */
export function pruned(rules: Grammar, ending: ReadonlySet<string>): Grammar {
  const result: Grammar = new Map();
  const todo = ["root"];
  for (let name = todo.pop(); name !== undefined; name = todo.pop()) {
    if (result.has(name)) continue;
    result.set(name, kept(rules.get(name) ?? NEVER, ending, todo));
  }
  return result;
}

function kept(expression: Expression, ending: ReadonlySet<string>, used: string[]): Expression {
  if (!canEnd(expression, ending)) return NEVER;
  switch (expression.type) {
    case "sequence":
      return sequence(...expression.parts.map((part) => kept(part, ending, used)));
    case "choice":
      return choice(expression.options.map((option) => kept(option, ending, used)));
    case "repeat":
      return repeat(kept(expression.of, ending, used), expression.min, expression.max);
    case "rule":
      used.push(expression.name);
      return expression;
    default:
      return expression;
  }
}
