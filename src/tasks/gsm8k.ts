/**
 * GSM8K: 1,319 school word problems (github.com/openai/grade-school-math, MIT). Rows
 * `{question, answer}`, the answer ending with `#### number`.
 */
import { answerGrader, defineTask } from "./define-task.js";
import { download } from "./download.js";
import { WORD_PROBLEMS } from "./few-shot.js";
import { isEqual, parseRational } from "./rational.js";
import type { TaskItem } from "./task.js";

const SOURCE = {
  url: "https://raw.githubusercontent.com/openai/grade-school-math/3101c7d5072418e28b9008a6636bde82a006892c/grade_school_math/data/test.jsonl",
  sha256: "3730d312f6e3440559ace48831e51066acaca737f6eabec99bccb9e4b3c39d14",
  name: "gsm8k-test.jsonl",
};

/** A number with its currency. A minus behind a number or bracket is a subtraction, not a sign. */
const NUMBER = String.raw`(?:(?<![\p{L}\d)]\s*)-)?\\?\$?-?(?:(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+)(?:\s*[/\u2044]\s*\d+)?`;
/** After a mark the number stands alone: spaces may separate its thousands. */
const MARKED = String.raw`-?\\?\$?-?\d{1,3}(?: \d{3})+(?![\d.,])|${NUMBER}`;

/**
 * The number on the last `####` line; else in the last `\boxed{}`, else the one stated as the
 * answer, else the last number.
 */
function extractNumber(output: string): string | null {
  const text = output
    .normalize("NFKC")
    .replace(/\u2212/g, "-")
    .replace(/\*\*|__|<<[^<>]*>>/g, "");
  const marked = text.match(/####[^\n]*/g)?.at(-1);
  if (marked !== undefined) return firstNumber(marked, MARKED);
  const boxed = [...text.matchAll(/\\boxed\s*\{([^\n]*?)\}/g)].at(-1)?.[1];
  if (boxed !== undefined) return firstNumber(boxed, MARKED);
  const stated = [...text.matchAll(/\banswer(?:\s+is\b|\s*:)([^\n]*)/gi)].at(-1)?.[1];
  const value = stated && firstNumber(stated.slice(stated.lastIndexOf("=") + 1), NUMBER);
  return value || clean(text.match(new RegExp(NUMBER, "gu"))?.at(-1));
}

function firstNumber(text: string, pattern: string): string | null {
  return clean(new RegExp(pattern, "u").exec(text)?.[0]);
}

/** The number without its currency and spaces. */
function clean(number: string | undefined): string | null {
  return number?.replace(/\\?\$|\s/g, "") ?? null;
}

function isSameNumber(answer: string, { gold }: TaskItem): boolean {
  const [a, b] = [parseRational(extractNumber(answer) ?? ""), parseRational(gold)];
  return a !== null && b !== null && isEqual(a, b);
}

/** lm-evaluation-harness's `flexible-extract`: the last thing like a number, compared as text. */
function extractFlexible(text: string): string | null {
  return text.match(/-?[$0-9.,]{2,}|-?[0-9]+/g)?.at(-1) ?? null;
}

function isSameText(answer: string, { gold }: TaskItem): boolean {
  const bare = (text: string) => text.replace(/[,$]/g, "").replace(/\.$/, "").toLowerCase();
  return bare(answer) === bare(gold);
}

export const gsm8k = defineTask({
  name: "gsm8k",
  extract: extractNumber,
  parse(row) {
    const prompt = row.text("question");
    const mark = /####\s*(\S+)\s*$/.exec(row.string("answer"))?.[1] ?? "";
    if (parseRational(mark) === null) row.refuse("answer", "end with `#### number`");
    return { id: `gsm8k/${row.line}`, prompt, gold: mark.replace(/,/g, "") };
  },
  prompt({ prompt }, form) {
    if (form === "chat") {
      const how = "Solve it step by step. End with a line `#### ` and the number alone.";
      return { prompt: `${prompt}\n\n${how}`, raw: false, stop: [], maxTokens: 512 };
    }
    const shots = WORD_PROBLEMS.map((p) => `Question: ${p.question}\nAnswer: ${p.answer}\n\n`);
    const text = `${shots.join("")}Question: ${prompt}\nAnswer:`;
    return { prompt: text, raw: true, stop: ["\n\nQuestion:", "\nQuestion:"], maxTokens: 512 };
  },
  async openGrader({ mode = "fair" } = {}) {
    return mode === "fair"
      ? answerGrader(extractNumber, isSameNumber)
      : answerGrader(extractFlexible, isSameText);
  },
  locate: (options) => download(SOURCE, options),
});
