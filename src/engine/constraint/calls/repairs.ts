/** Repairs llama.cpp's grammars of tool calls, so that they can restrict an answer. */
import {
  choice,
  complement,
  EMPTY,
  type Expression,
  type Grammar,
  isEmpty,
  isNullable,
  mapped,
  NEVER,
  optional,
  type Range,
  repeat,
  rule,
  rulesIn,
  sequence,
  set,
} from "../expression.js";
import { refusal } from "../refusal.js";

const ESCAPED = set(points('"\\/ bfnrt'));
const IN_STRINGS = set(complement(points('"\\')));

/** Fixes JSON strings: llama.cpp's allow raw control characters, and a space after a backslash. */
export function strictly(part: Expression): Expression {
  const written = JSON.stringify(part);
  if (written === JSON.stringify(ESCAPED)) return set(points('"\\/bfnrt'));
  if (written !== JSON.stringify(IN_STRINGS)) return part;
  return set(complement([...points('"\\'), [0, 0x1f]]));
}

function points(characters: string): Range[] {
  return Array.from(characters, (character) => {
    const point = character.codePointAt(0) as number;
    return [point, point];
  });
}

/** Removes white space before the text that closes a call: llama.cpp's parser doesn't accept it there. */
export function closedAtOnce(expression: Expression): Expression {
  const isCall = (name: string) => /^tool-ets-tool-\d+-x$/.test(name);
  return mapped(expression, (part) => {
    if (part.type !== "sequence") return part;
    const { parts } = part;
    const isBlank = (each: Expression, i: number) => {
      const before = rulesIn(parts[i - 1]);
      const isBehindCall = before.length > 0 && before.every(isCall);
      const isSpace = each.type === "rule" && each.name === "space";
      return isSpace && isBehindCall && parts[i + 1]?.type === "text";
    };
    return sequence(...parts.filter((each, i) => !isBlank(each, i)));
  });
}

/**
 * One call or several. llama.cpp's root has an alternative for each trigger of the grammar. This function
 * drops the alternatives that other ones contain. It also drops those that only repeat the others, even
 * with nothing between two calls, which llama.cpp's parser can't read. Repetitions get a space instead.
 */
export function repeatedCalls(rules: Grammar): Expression {
  const nullable = nullableRules(rules);
  const root = rules.get("root") ?? NEVER;
  const options = root.type === "choice" ? root.options : [root];
  const bodyOf = (option: Expression) => (option.type === "rule" ? rules.get(option.name) : option);
  const isRepetition = (option: Expression) => {
    const body = bodyOf(option);
    const endless = body?.type === "repeat" && body.max === Number.POSITIVE_INFINITY;
    return endless && isNullable(body.of, nullable);
  };
  const whole = options.filter((option) => !isRepetition(option));
  const inner = new Set(whole.flatMap((option) => rulesIn(bodyOf(option))));
  const calls = choice(whole.filter((one) => one.type !== "rule" || !inner.has(one.name)));
  if (!options.some(isRepetition)) return calls;
  return sequence(calls, repeat(sequence(rule("space"), calls), 0));
}

/** The same language without the empty text. */
export function someOf(expression: Expression, rules: Grammar): Expression {
  if (!isNullable(expression, nullableRules(rules))) return expression;
  switch (expression.type) {
    case "rule":
      return someOf(rules.get(expression.name) ?? NEVER, rules);
    case "choice": {
      const options = expression.options.filter((option) => !isEmpty(option));
      return choice(options.map((option) => someOf(option, rules)));
    }
    case "repeat":
      return repeat(someOf(expression.of, rules), 1, expression.max);
    case "sequence": {
      // The calls are the first part. The text that closes their section may follow.
      const [first = NEVER, ...rest] = expression.parts;
      return sequence(someOf(first, rules), ...rest);
    }
    default:
      throw unknownForm();
  }
}

function nullableRules(rules: Grammar): Set<string> {
  const known = new Set<string>();
  for (let before = -1; known.size > before; ) {
    before = known.size;
    for (const [name, body] of rules) if (isNullable(body, known)) known.add(name);
  }
  return known;
}

/** Gives optional arguments a fixed order, each at most once, instead of any order and repetitions. */
export function inOrder(expression: Expression, prefix: string): Expression {
  return mapped(expression, (each) => {
    if (each.type !== "repeat" || each.max !== Number.POSITIVE_INFINITY) return each;
    const parts = each.of.type === "sequence" ? each.of.parts : [each.of];
    const last = parts.at(-1) ?? EMPTY;
    const options = last.type === "choice" ? last.options : [last];
    const isArgument = (one: Expression) => one.type === "rule" && one.name.startsWith(prefix);
    if (!options.every(isArgument)) return each;
    const before = parts.slice(0, -1);
    return sequence(...options.map((option) => optional(sequence(...before, option))));
  });
}

/** The error for a template whose form of calls isn't supported. */
export function unknownForm() {
  return refusal(
    "The chat template writes the arguments of tool calls in a form that no grammar is known for",
    'toolChoice "none", no `toolChoice`, or another template (`chatTemplate`)',
  );
}
