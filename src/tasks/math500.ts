/**
 * MATH-500: competition problems with LaTeX answers (github.com/openai/prm800k, MIT). Rows
 * `{problem, answer, solution, subject, level, unique_id}`.
 */
import { defineTask } from "./define-task.js";
import { download } from "./download.js";
import { MATH_PROBLEMS } from "./few-shot.js";
import { isSameMath } from "./math/equality.js";
import { extractMinerva, isStructured, normaliseMinerva } from "./math/minerva.js";
import { normalise } from "./math/normalise.js";
import { type Box, boxesIn, isCutOff, lastSentence, withoutThoughts } from "./outputs.js";
import { firstClause, isRefusal, lastStatement } from "./statements.js";
import type { Grader, GraderOptions, TaskItem } from "./task.js";

const SOURCE = {
  url: "https://media.githubusercontent.com/media/openai/prm800k/7ecc794703b2877f63226f2477a49b34f9b25163/prm800k/math_splits/test.jsonl",
  sha256: "35dc41080a3680858b27fa7e0533d2d547825316fc5dafe5d316f4ccc5a06132",
  name: "math500-test.jsonl",
};

/**
 * The content of the last `\boxed{}`, or of the last boxes that "or", "and" or commas join; else what is
 * said to be the answer, on its line or below it; else the last formulas that are joined so, or the last
 * number.
 */
export function extractMath(output: string): string | null {
  const text = withoutThoughts(output);
  const boxed = boxedAnswer(text);
  if (boxed !== null) return boxed;
  const prose = text.replace(/\*\*|__|`|(?<![\w*\\])\*(?=[^\s*])|(?<=[^\s*])\*(?![\w*])/g, "");
  const stated = lastStatement(prose, statedAnswer);
  if (stated !== null || isCutOff(prose) || isRefusal(lastSentence(prose))) return stated;
  const whole = prose.trim();
  if (whole.length < MAX_ALONE && FORMULA_ALONE.test(whole)) return whole;
  const from = Math.max(0, prose.length - MAX_SENTENCE);
  const last = prose.slice(from).replace(CONDITION, "$1").replace(PREMISE, "$1");
  const said = prose.slice(0, from) + last;
  return plainFormula(prose) ?? lastFormula(said) ?? lastWords(prose);
}

/** The formulas that a statement of the answer begins with, or its clause, or the last formula there. */
function statedAnswer(statement: string): string | null {
  const rest = statement.replace(/^[\s:]+/, "").replace(/<\/answer>[\s\S]*$/, "");
  const formulas = formulasIn(rest);
  if (formulas[0]?.before === "" && !/^\s*(?:[-+*/^=<>]|\\?%)/.test(formulas[0].behind)) {
    const ends = formulas.findIndex(({ before }, i) => i > 0 && !isJoint(before));
    return joined(formulas.slice(0, ends < 0 ? undefined : ends));
  }
  // "5 (five)", but not "5 (mod 7)".
  const clause = firstClause(rest)
    .replace(/\s\((?!mod|base)[a-z]{3,}[^()]*\)\s*$/i, "")
    .replace(/,?\s(?:or|i\.e\.,?)\s(?:about|approximately|roughly|around)\s.*$/i, "")
    .trim();
  if (clause === "") return null;
  const counted = COUNTED.exec(clause)?.[1];
  if (counted !== undefined) return counted;
  return /[a-z]{2,}\s+[a-z]{2,}/i.test(clause) ? (lastFormula(clause) ?? clause) : clause;
}

/** What may stand between two boxes that are one answer: "or", "and", commas, names with "=". */
const JOINT =
  /^(?:\s|\$|\\[()[\],;:! ]|\\q?quad|\\text\{\s*(?:or|and)?\s*\}|[A-Za-z](?:_\w|_\{\w+\})?\s*=|[,;]|\b(?:or|and)\b)*$/;

function boxedAnswer(text: string): string | null {
  const boxes = boxesIn(text)
    .filter(({ content }) => content !== "")
    .map((box) => ({ content: signedBox(box), before: box.before }));
  return boxes.length === 0 ? null : joined(lastJoined(boxes));
}

/** The last parts of a text that are joined to one answer. */
function lastJoined<Part extends Box>(parts: readonly Part[]): Part[] {
  const first = parts.findLastIndex(({ before }, i) => i === 0 || !isJoint(before));
  return parts.slice(first);
}

/** What a box or formula is the value of: `x = \boxed{3}`. */
const NAME_BEFORE = /(?<![A-Za-z\\])([A-Za-z])\s*=\s*\$?\s*$/;

/** One answer of several parts: by their names, alternatives where "or" stands between two, else a list. */
function joined(parts: readonly Box[]): string {
  const names = parts.map(({ before }) => NAME_BEFORE.exec(before)?.[1]);
  if (parts.length > 1 && new Set(names).size === parts.length && !names.includes(undefined)) {
    return parts.map(({ content }, i) => `${names[i]}=${content}`).join(", ");
  }
  // `(\boxed{3}, \boxed{5})` is a pair.
  if (parts.length > 1 && /\(\s*$/.test(parts[0]?.before ?? "")) {
    return `(${parts.map(({ content }) => content).join(", ")})`;
  }
  // One name with several values has one or the other.
  const isOneName = names[0] !== undefined && new Set(names).size === 1;
  const isChoice = isOneName || parts.slice(1).some(({ before }) => /\bor\b/.test(before));
  const separator = isChoice ? " or " : ", ";
  return [...new Set(parts.map(({ content }) => content))].join(separator);
}

function isJoint(between: string): boolean {
  return JOINT.test(between) && /[,;]|\b(?:or|and)\b/.test(between.replace(/\\[,;]/g, ""));
}

/** `-\boxed{5}` is -5; in `7-\boxed{5}` the minus is no sign. A box within it says the same again. */
function signedBox({ content, before }: Box): string {
  const inner = boxesIn(content).at(-1)?.content ?? content;
  return /(?<![\w)}\]]\s*)-\s*\$?\s*$/.test(before) && !inner.startsWith("-") ? `-${inner}` : inner;
}

function isBalanced(latex: string): boolean {
  let depth = 0;
  for (const [brace] of latex.replace(/\\[^A-Za-z]/g, "").matchAll(/[{}]/g)) {
    depth += brace === "{" ? 1 : -1;
    if (depth < 0) return false;
  }
  return depth === 0;
}

/** What opens a formula and what closes it; those of one line hold no line's end. */
const DELIMITERS = [
  { open: "$$", close: "$$", isOfOneLine: false },
  { open: "\\[", close: "\\]", isOfOneLine: false },
  { open: "$", close: "$", isOfOneLine: true },
  { open: "\\(", close: "\\)", isOfOneLine: true },
];
const OPENINGS = /\$|\\[[(]/g;
const NUMBER =
  /(?<![\w.])[-\u2212]?\d[\d,]*(?:\.\d+)?(?:\/\d+)?\s?(?:\\?%|percent\b|pct\b)?(?!\w)/g;

/** A decimal beside the formula that it is near to. */
const NEARLY =
  /\b(?:about|approximately|roughly|around|nearly)\s+\$?-?\d[\d,]*(?:\.\d+)?\s?(?:\\?%|percent\b)?|\u2248\s*-?\d[\d,]*(?:\.\d+)?/g;
/** "are 1 and 2". */
const LISTED = new RegExp(
  String.raw`\bare:?\s+((?:${NUMBER.source})(?:(?:\s*,\s*|\s*,?\s+(?:and|or)\s+)(?:${NUMBER.source}))+)$`,
);
const VALUE = /^\\?[A-Za-z]+(?:_\w|_\{\w+\})?\s*=[^=]+$/;

/** What ends a proof is no formula. */
const ORNAMENT = /\$\s*\\(?:square|blacksquare|qed|Box|checkmark)\s*\$/g;

/** What the last sentence says behind its formula: "when divided by $7$", "where $a=70$", "(we reject $x=-3$)". */
const CONDITION =
  /(\$[^$\n]+\$)(?:,?\s(?:when|if|where|since|because|out of|attained|for (?:all|every|any|each))\s[^.\n]*|,?\s(?:which is|or)\s(?:about|approximately|roughly|around)\s[^\n]{0,60}?|\s\((?:[A-Za-z]{2,}\s)+[^()\n]*\))\.?\s*$/;
/** "Since $f(2)=5$ and $f(3)=10$, $f(2)+f(3)=15$": what stands before the last equation. */
const PREMISE =
  /(^|[.\n]\s*)(?:Since|Because|As|Given|If|When)\s[^.\n]*,\s(?=\$[^$=]*=[^$]*\$\.?\s*$)/;
/** A whole text that is LaTeX, without the marks around formulas. */
const FORMULA_ALONE = /^(?!.*\\(?:text|\[|\())[^\s$]*\\[A-Za-z][^\s$]*$/;
const MAX_ALONE = 300;
/** As far back as the last sentence is looked at. */
const MAX_SENTENCE = 1000;
/** "12 ways" in a sentence; "3 million" is another number. */
const COUNTED =
  /^(-?\d[\d,]*(?:\.\d+)?)\s(?!hundred|thousand|million|billion|trillion|dozen|percent|choose|factorial|base|times|plus|minus|sqrt|over)[a-z]{4,}$/;

interface Formula extends Box {
  /** The text behind the formula. */
  behind: string;
  end: number;
}

/** The formulas of a text in order, with the text before each, up to the previous one. */
function formulasIn(written: string): Formula[] {
  const text = written.replace(ORNAMENT, (sign) => " ".repeat(sign.length));
  const formulas: Formula[] = [];
  const next = nextIn(text);
  let last = 0;
  for (const { index } of text.matchAll(OPENINGS)) {
    if (index < last) continue;
    for (const { open, close, isOfOneLine } of DELIMITERS) {
      if (!text.startsWith(open, index)) continue;
      const from = index + open.length;
      const end = next(close, open === "$" ? from : from + 1);
      // A dollar closes at the next one that is no currency's, and holds something.
      if (end === from || end === Number.POSITIVE_INFINITY) continue;
      if (isOfOneLine && next("\n", from) < end) continue;
      const before = text.slice(last, index);
      last = end + close.length;
      const behind = text.slice(last, last + 10);
      formulas.push({ content: text.slice(from, end).trim(), before, behind, end: last });
      break;
    }
  }
  return formulas;
}

/** Finds marks from places that only move on, in a time that grows with the text's length alone. */
function nextIn(text: string): (mark: string, from: number) => number {
  const found = new Map<string, number>();
  return (mark, from) => {
    const known = found.get(mark);
    if (known !== undefined && known >= from) return known;
    let at = text.indexOf(mark, from);
    while (mark === "$" && text[at - 1] === "\\") at = text.indexOf(mark, at + 1);
    found.set(mark, at < 0 ? Number.POSITIVE_INFINITY : at);
    return found.get(mark) as number;
  };
}

/** The formulas or the numbers that end last. */
function lastFormula(text: string): string | null {
  const formulas = formulasIn(text);
  const said =
    formulas.length === 0 ? text : text.replace(NEARLY, (near) => " ".repeat(near.length));
  const numbers = [...said.matchAll(NUMBER)].at(-1);
  const end = numbers === undefined ? -1 : numbers.index + numbers[0].length;
  if (end > (formulas.at(-1)?.end ?? -1)) {
    return LISTED.exec(said.slice(0, end))?.[1] ?? numbers?.[0].trim() ?? null;
  }
  const parts = lastJoined(formulas);
  // "$2x = 8$ and $x = 4$" are steps.
  const steps = parts.findLastIndex(({ content }) => !VALUE.test(content));
  const isValue = VALUE.test(parts.at(-1)?.content ?? "");
  return parts.length === 0 ? null : joined(isValue ? parts.slice(steps + 1) : parts);
}

/** "The polynomial is x^2 - 3x + 2": a formula without delimiters, of signs and single letters. */
function plainFormula(text: string): string | null {
  const sentence = lastSentence(text).slice(-500);
  const said = /\b(?:is|are|becomes)\s+([^$.!?]*?)[.!]?$/.exec(sentence)?.[1] ?? "";
  const words = said.replace(/\b(?:sqrt|pi|sin|cos|tan|log|ln|or|and)\b/g, "");
  return /[\^+*/()]|\d[a-z]/.test(said) && !/[A-Za-z]{2,}|\\/.test(words) ? said : null;
}

/** "The function is even": what the last sentence says, in a text without a number or formula. */
function lastWords(text: string): string | null {
  const sentence = lastSentence(text);
  const said = /^.*\b(?:is|are|will be|falls on)\s+(?:an?\s+)?([^.!?]+)[.!?]*$/.exec(sentence)?.[1];
  return said ?? (/^\w+(?:\s\w+){0,2}[.!]?$/.test(text.trim()) ? text.trim() : null);
}

export async function openMathGrader({ mode = "fair" }: GraderOptions = {}): Promise<Grader> {
  const { SymbolicComparer } = await import("./math/symbolic.js");
  const algebra = new SymbolicComparer();
  const symbolic = (a: string, b: string) => algebra.isEqual(a, b);
  const extract = mode === "fair" ? extractMath : extractMinerva;
  const isCorrect = async (answer: string, { gold }: TaskItem): Promise<boolean> => {
    if (mode === "fair") return isSameMath(answer, gold, symbolic);
    const [a, b] = [normaliseMinerva(answer), normaliseMinerva(gold)];
    // What sympy doesn't read as one expression is never equal there, not even to itself.
    return (
      !isStructured(a) && !isStructured(b) && (a === b || (await algebra.isEqual(a, b)) === true)
    );
  };
  return {
    wantedGold: ({ gold }) => (isBalanced(gold) ? null : "close the braces that it opens"),
    async grade(item, text, form = "output") {
      const extracted = form === "answer" ? text : extract(text);
      return { extracted, correct: extracted !== null && (await isCorrect(extracted, item)) };
    },
    [Symbol.asyncDispose]: () => algebra[Symbol.asyncDispose](),
  };
}

/**
 * MATH-500 (Hendrycks et al. 2021; Lightman et al. 2023): 500 competition problems, downloaded or
 * from a file.
 */
export const math500 = defineTask({
  name: "math500",
  /** The answer is normalised, so that votes meet. */
  extract(text) {
    const answer = extractMath(text);
    return answer === null ? null : normalise(answer);
  },
  locate: (options) => download(SOURCE, options),
  parse(row) {
    return { id: row.text("unique_id"), prompt: row.text("problem"), gold: row.text("answer") };
  },
  prompt({ prompt }, form) {
    if (form === "chat") {
      const how = "Reason step by step, and put your final answer within \\boxed{}.";
      return { prompt: `${prompt}\n\n${how}`, raw: false, stop: [], maxTokens: 512 };
    }
    const shots = MATH_PROBLEMS.map(
      ({ problem, solution, answer }) =>
        `Problem:\n${problem}\n\nSolution:\n${solution}\nFinal Answer: The final answer is $${answer}$. I hope it is correct.\n\n`,
    );
    const text = `${shots.join("")}Problem:\n${prompt}\n\nSolution:`;
    return { prompt: text, raw: true, stop: ["\nProblem:"], maxTokens: 512 };
  },
  openGrader: openMathGrader,
});
