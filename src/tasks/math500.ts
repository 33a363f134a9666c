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
import { type Box, boxesIn, withoutThoughts } from "./outputs.js";
import type { Grader, GraderOptions, TaskItem } from "./task.js";

const SOURCE = {
  url: "https://media.githubusercontent.com/media/openai/prm800k/7ecc794703b2877f63226f2477a49b34f9b25163/prm800k/math_splits/test.jsonl",
  sha256: "35dc41080a3680858b27fa7e0533d2d547825316fc5dafe5d316f4ccc5a06132",
  name: "math500-test.jsonl",
};

/**
 * The content of the last `\boxed{}`, or of the last boxes that "or", "and" or commas join; else of the
 * final-answer sentence; else what is said to be the answer, on its line or below it; else the last
 * formula, or the last number.
 */
export function extractMath(output: string): string | null {
  const text = withoutThoughts(output);
  const boxed = boxedAnswer(text);
  if (boxed !== null) return boxed;
  const prose = text.replace(/\*\*|__|`|(?<![\w*\\])\*(?=[^\s*])|(?<=[^\s*])\*(?![\w*])/g, "");
  const sentence = [...prose.matchAll(/final answer(?: is)?:?\s*([\s\S]*?)\.?\s*(?:I hope|$)/gi)];
  const statement = [...prose.matchAll(/\banswer(?:\s+is\b|\s*:|\s*\n)\s*/gi)].at(-1);
  const line = statement && prose.slice(statement.index + statement[0].length);
  const stated = (
    sentence.at(-1)?.[1] ??
    (line && /^[^\n]+?(?=\.?\s*(?:\n|$))/.exec(line)?.[0])
  )?.trim();
  if (!stated) return lastFormula(prose);
  // The sentence has the answer somewhere.
  return /[a-z]{2,}\s+[a-z]{2,}/i.test(stated) ? (lastFormula(stated) ?? stated) : stated;
}

/** What may stand between two boxes that are one answer: "or", "and", commas, names with "=". */
const JOINT =
  /^(?:\s|\$|\\[()[\],;:! ]|\\q?quad|\\text\{\s*(?:or|and)?\s*\}|[A-Za-z](?:_\w|_\{\w+\})?\s*=|[,;]|\b(?:or|and)\b)*$/;

function boxedAnswer(text: string): string | null {
  const boxes = boxesIn(text);
  const last = boxes.at(-1);
  if (last === undefined) return null;
  let from = boxes.length - 1;
  while (from > 0 && isJoint(boxes[from]?.before ?? "")) from--;
  const joined = boxes.slice(from);
  if (joined.length === 1) return signedBox(last);
  const separator = joined.slice(1).some(({ before }) => /\bor\b/.test(before)) ? " or " : ", ";
  return [...new Set(joined.map(signedBox))].join(separator);
}

function isJoint(between: string): boolean {
  return JOINT.test(between) && /[,;]|\b(?:or|and)\b/.test(between.replace(/\\[,;]/g, ""));
}

/** `-\boxed{5}` is -5; in `7-\boxed{5}` the minus is no sign. A box within it says the same again. */
function signedBox({ content, before }: Box): string {
  const inner = boxesIn(content).at(-1)?.content ?? content;
  return /(?<![\w)}\]]\s*)-\s*$/.test(before) && !inner.startsWith("-") ? `-${inner}` : inner;
}

const FORMULA = /\$\$([\s\S]+?)\$\$|\\\[([\s\S]+?)\\\]|\$([^$\n]+)\$|\\\(([^\n]+?)\\\)/g;
const NUMBER = /(?<![\w.])-?\d[\d,]*(?:\.\d+)?(?:\/\d+)?\s?(?:\\?%|percent\b|pct\b)?(?!\w)/g;

/** The formula or number that ends last. */
function lastFormula(text: string): string | null {
  const formula = [...text.matchAll(FORMULA)].at(-1);
  const number = [...text.matchAll(NUMBER)].at(-1);
  const endOf = (match: RegExpExecArray | undefined) =>
    match === undefined ? -1 : match.index + match[0].length;
  if (endOf(number) > endOf(formula)) return number?.[0].trim() ?? null;
  return (
    formula
      ?.slice(1)
      .find((part) => part !== undefined)
      ?.trim() ?? null
  );
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
    async grade(item, text, form = "output") {
      const extracted = form === "answer" ? text : extract(text);
      return { extracted, correct: extracted !== null && (await isCorrect(extracted, item)) };
    },
    [Symbol.asyncDispose]: () => algebra[Symbol.asyncDispose](),
  };
}

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
