/** Converts regular expressions of JavaScript (with the flag `u`) to expressions, by their syntax trees. */
import { type AST, RegExpParser } from "@eslint-community/regexpp";
import { messageOf } from "../errors.js";
import {
  choice,
  complement,
  EMPTY,
  type Expression,
  merged,
  type Range,
  repeat,
  sequence,
  set,
  text,
  withoutEmptyRepeats,
} from "./expression.js";
import { MAX_REPEATS } from "./limits.js";
import { excerpt, refusal } from "./refusal.js";

const MAX_PATTERN_LENGTH = 10_000;
const MAX_DEPTH = 100;
const MAX_RANGES = 1000;

/** The position of a part. At the start or the end of the text, an anchor has no effect. */
interface Edges {
  atStart: boolean;
  atEnd: boolean;
  depth: number;
}

const LINE_ENDS: Range[] = [
  [0x0a, 0x0a],
  [0x0d, 0x0d],
  [0x2028, 0x2029],
];
const ANY = set(complement([]));

/**
 * The texts that match the pattern as a whole. Throws `ERR_CONSTRAINT` for features that aren't regular,
 * and for patterns that are too large.
 */
export function wholeMatches(pattern: string): Expression {
  const { alternatives } = parsed(pattern);
  const edges = { atStart: true, atEnd: true, depth: 0 };
  return withoutEmptyRepeats(choice(alternatives.map((each) => alternative(each, edges))));
}

/** The texts that contain a match, as for `pattern` in JSON schemas. Throws as `wholeMatches` does. */
export function partialMatches(pattern: string): Expression {
  return withoutEmptyRepeats(anywhere(parsed(pattern).alternatives, 0));
}

function parsed(pattern: string): AST.Pattern {
  if (pattern.length > MAX_PATTERN_LENGTH) {
    throw refusal(
      `Expected a regular expression of at most ${MAX_PATTERN_LENGTH} characters, got ${pattern.length}`,
      "a shorter one",
    );
  }
  try {
    return new RegExpParser({ ecmaVersion: 2024 }).parsePattern(pattern, 0, pattern.length, {
      unicode: true,
    });
  } catch (error) {
    const index = error instanceof Error && "index" in error ? ` at position ${error.index}` : "";
    const isDeep = error instanceof RangeError;
    throw refusal(
      isDeep
        ? `The regular expression nests deeper than ${MAX_DEPTH} groups`
        : `Not a regular expression of JavaScript with the flag u${index}: ${messageOf(error)}`,
      isDeep
        ? "fewer groups in groups"
        : "an escape such as \\. or \\- for what is meant literally",
      error,
    );
  }
}

function anywhere(alternatives: readonly AST.Alternative[], depth: number): Expression {
  return choice(
    alternatives.map((each) => {
      const { elements } = each;
      const [only] = elements;
      if (elements.length === 1 && (only?.type === "Group" || only?.type === "CapturingGroup")) {
        refuseModifiers(only);
        return anywhere(only.alternatives, checkedDepth(only, depth));
      }
      const [first] = elements;
      const last = elements.at(-1);
      const isFromStart = first?.type === "Assertion" && first.kind === "start";
      const isToEnd = last?.type === "Assertion" && last.kind === "end";
      return sequence(
        isFromStart ? EMPTY : repeat(ANY, 0),
        alternative(each, { atStart: isFromStart, atEnd: isToEnd, depth }),
        isToEnd ? EMPTY : repeat(ANY, 0),
      );
    }),
  );
}

function alternative({ elements }: AST.Alternative, edges: Edges): Expression {
  const isAnchor = (element: AST.Element) =>
    element.type === "Assertion" && (element.kind === "start" || element.kind === "end");
  const first = elements.findIndex((element) => !isAnchor(element));
  const last = elements.findLastIndex((element) => !isAnchor(element));
  return sequence(
    ...elements.map((element, i) =>
      converted(element, {
        atStart: edges.atStart && (first === -1 || i <= first),
        atEnd: edges.atEnd && i >= last,
        depth: edges.depth,
      }),
    ),
  );
}

function converted(element: AST.Element, edges: Edges): Expression {
  switch (element.type) {
    case "Character":
      return character(element);
    case "CharacterSet":
    case "CharacterClass":
    case "ExpressionCharacterClass":
      return set(checkedRanges(element, rangesOf(element)));
    case "Group":
    case "CapturingGroup": {
      refuseModifiers(element);
      const inner = { ...edges, depth: checkedDepth(element, edges.depth) };
      return choice(element.alternatives.map((each) => alternative(each, inner)));
    }
    case "Quantifier":
      return quantified(element, edges.depth);
    case "Assertion":
      return assertion(element, edges);
    case "Backreference":
      throw unsupported(element, "a reference back to a group", "the texts written out by |");
  }
}

function character(element: AST.Character): Expression {
  const { value } = element;
  if (value === 0 || (value >= 0xd800 && value <= 0xdfff)) {
    throw unsupported(element, "a character that no token spells", "another character");
  }
  return text(String.fromCodePoint(value));
}

function quantified(element: AST.Quantifier, depth: number): Expression {
  const { min, max } = element;
  const most = Number.isFinite(max) ? max : min;
  if (most > MAX_REPEATS) {
    throw unsupported(element, `more than ${MAX_REPEATS} repetitions`, "a smaller bound, or none");
  }
  const inner = { atStart: false, atEnd: false, depth: checkedDepth(element, depth) };
  return repeat(converted(element.element, inner), min, max);
}

function assertion(element: AST.Assertion, { atStart, atEnd }: Edges): Expression {
  if (element.kind === "start" && atStart) return EMPTY;
  if (element.kind === "end" && atEnd) return EMPTY;
  if (element.kind === "start" || element.kind === "end") {
    const where = element.kind === "start" ? "^ after the beginning" : "$ before the end";
    throw unsupported(element, where, "the anchor at the edge of the whole expression, or none");
  }
  if (element.kind === "word") {
    const name = element.negate ? "\\B" : "\\b";
    throw unsupported(
      element,
      `a word boundary (${name})`,
      "the characters around it, such as [ .,]",
    );
  }
  throw unsupported(element, `a ${element.kind}`, "the texts that it allows written out");
}

/** The code points of a character, a class or an escape such as `\d`. */
function rangesOf(element: AST.Node): Range[] {
  switch (element.type) {
    case "Character":
      return [[element.value, element.value]];
    case "CharacterClassRange":
      return [[element.min.value, element.max.value]];
    case "CharacterClass": {
      const ranges = merged(element.elements.flatMap(rangesOf));
      return element.negate ? complement(ranges) : ranges;
    }
    case "CharacterSet":
      return element.kind === "any" ? complement(LINE_ENDS) : rangesOfEscape(element.raw);
    default:
      throw unsupported(element, "this kind of class", "a class such as [a-z]");
  }
}

const known = new Map<string, Range[]>();

/** The code points that an escape such as `\w` or `\p{L}` matches, by JavaScript's own test of each. */
function rangesOfEscape(raw: string): Range[] {
  const found = known.get(raw);
  if (found !== undefined) return found;
  const isOf = new RegExp(`^${raw}$`, "u");
  const ranges: [number, number][] = [];
  for (let point = 0; point <= 0x10ffff; point++) {
    if (!isOf.test(String.fromCodePoint(point))) continue;
    const last = ranges.at(-1);
    if (last?.[1] === point - 1) last[1] = point;
    else ranges.push([point, point]);
  }
  known.set(raw, ranges);
  return ranges;
}

function checkedRanges(element: AST.Node, ranges: Range[]): Range[] {
  if (ranges.length <= MAX_RANGES) return ranges;
  const what = `a class of ${ranges.length} ranges of characters (at most ${MAX_RANGES})`;
  throw unsupported(element, what, "the ranges that matter, such as [a-zà-ÿ]");
}

function checkedDepth(element: AST.Node, depth: number): number {
  if (depth < MAX_DEPTH) return depth + 1;
  throw unsupported(element, `nesting deeper than ${MAX_DEPTH}`, "fewer groups in groups");
}

function refuseModifiers(element: AST.Group | AST.CapturingGroup): void {
  if (element.type === "Group" && element.modifiers !== null) {
    throw unsupported(element, "flags of a group", "classes such as [aA]");
  }
}

function unsupported(element: AST.Node, what: string, fix: string) {
  return refusal(
    `The regular expression has ${what} at position ${element.start}, \`${excerpt(element.raw)}\`: no grammar can say it`,
    `${fix}. Supported are characters, classes, escapes such as \\d and \\p{L}, groups, | and quantifiers up to ${MAX_REPEATS}`,
  );
}
