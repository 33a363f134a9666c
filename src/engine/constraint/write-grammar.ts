/** Writes grammars in GBNF, llama.cpp's format. */
import { type Expression, type Grammar, isAtom, type Range } from "./expression.js";

/**
 * Writes one rule per line, in the order of the map, whose first is `root`. Repeated groups become
 * separate rules, because llama.cpp expands nested repetitions of groups into their product.
 */
export function writeGrammar(grammar: Grammar): string {
  const lines: string[] = [];
  const hoisted = new Map<string, string>();

  const ruleOf = (expression: Expression): string => {
    const body = written(expression, false);
    const there = hoisted.get(body);
    if (there !== undefined) return there;
    const name = freeName(grammar, hoisted.size);
    hoisted.set(body, name);
    lines.push(`${name} ::= ${body}`);
    return name;
  };

  function written(expression: Expression, isInner: boolean): string {
    switch (expression.type) {
      case "set":
        return `[${expression.ranges.map(writtenRange).join("")}]`;
      case "text":
        return writtenText(expression.text);
      case "rule":
        return expression.name;
      case "sequence":
        if (expression.parts.length === 0) return '""';
        return expression.parts.map((part) => written(part, true)).join(" ");
      case "choice": {
        const body = expression.options.map((option) => written(option, false)).join(" | ");
        return isInner ? `(${body})` : body;
      }
      case "repeat": {
        const { of, min, max } = expression;
        const item = isAtom(of) ? written(of, true) : ruleOf(of);
        return `${item}${writtenTimes(min, max)}`;
      }
    }
  }

  const rules = [...grammar].map(([name, body]) => `${name} ::= ${written(body, false)}`);
  return `${[...rules, ...lines].join("\n")}\n`;
}

function freeName(grammar: Grammar, start: number): string {
  let i = start;
  while (grammar.has(`part-${i}`)) i++;
  return `part-${i}`;
}

function writtenTimes(min: number, max: number): string {
  if (max === Number.POSITIVE_INFINITY) return ["*", "+"][min] ?? `{${min},}`;
  if (min === 0 && max === 1) return "?";
  return min === max ? `{${min}}` : `{${min},${max}}`;
}

function writtenRange([from, to]: Range): string {
  if (from === to) return writtenPoint(from);
  return `${writtenPoint(from)}-${writtenPoint(to)}`;
}

function writtenPoint(point: number): string {
  const character = String.fromCodePoint(point);
  if (/[A-Za-z0-9 !#-,.:;<=>?@_{|}~/]/.test(character)) return character;
  const hex = point.toString(16).toUpperCase();
  if (point <= 0xff) return `\\x${hex.padStart(2, "0")}`;
  return point <= 0xffff ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
}

function writtenText(text: string): string {
  const escaped = Array.from(text, (character) => {
    const point = character.codePointAt(0) ?? 0;
    if (character === '"' || character === "\\") return `\\${character}`;
    return point < 0x20 || (point >= 0x7f && point <= 0x9f) ? writtenPoint(point) : character;
  });
  return `"${escaped.join("")}"`;
}
