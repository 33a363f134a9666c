/**
 * GSM8K: 1,319 school word problems (github.com/openai/grade-school-math, MIT). Rows
 * `{question, answer}`, the answer ending with `#### number`.
 */

import {
  ARITHMETIC,
  CONCLUSION,
  concludedNumber,
  lastCounting,
  lastResult,
  numbersIn,
  resultOf,
} from "./conclusions.js";
import { answerGrader, defineTask } from "./define-task.js";
import { download } from "./download.js";
import { WORD_PROBLEMS } from "./few-shot.js";
import {
  canonicalRational,
  isEqual,
  joinSpacedThousands,
  NUMBER,
  parseRational,
  plainNumbers,
  withPointsAndCommas,
  withScales,
} from "./numbers.js";
import { boxesIn, isCutOff, withoutThoughts } from "./outputs.js";
import { firstClause, isRefusal, lastStatement } from "./statements.js";
import type { TaskItem } from "./task.js";

const SOURCE = {
  url: "https://raw.githubusercontent.com/openai/grade-school-math/3101c7d5072418e28b9008a6636bde82a006892c/grade_school_math/data/test.jsonl",
  sha256: "3730d312f6e3440559ace48831e51066acaca737f6eabec99bccb9e4b3c39d14",
  name: "gsm8k-test.jsonl",
};

/** What may precede the number in an answer: "the final answer is", "Answer:", "=". */
const LABEL = String.raw`(?:[^\p{L}\d$.-]|\b(?:so|thus|hence|therefore|the|my|our|final|correct|total|answer|result|is|are|equals)\b)*`;
const AT_START = new RegExp(`^${LABEL}(${NUMBER})`, "iu");
const LABEL_ALONE = new RegExp(`^${LABEL}$`, "iu");
const NUMBER_ALONE = new RegExp(`^${LABEL}(${NUMBER})[^\\d]*$`, "iu");
const DENIED = new RegExp(`\\bnot\\s+${NUMBER}`, "giu");
/** A heading's number, as in "2. Compute", "3) Add", "Step 4". */
const HEADING =
  /^[\s:]*(?:\d+[.):]\s+\p{L}|(?:step|part|case|question|section|problem|example)\b)/iu;
/** "12 + 6, which is 18", "2/3 of the class, that is 24". */
const OUTCOME = /,?\s(?:which|that)\s(?:is|equals|gives|makes)\s|,\sor\s/iu;
/** A fraction or a percentage of something, which is worked out behind it. */
const SHARE = /(?:\d\/\d+|\d\s?%)\s(?:of|off)\s/iu;
/** "33.3, which we round to 33", but not "rounded to 2 decimal places". */
const ROUNDED = new RegExp(
  String.raw`^.*${NUMBER}[^\n]*?\sround(?:s|ed|ing)?\s(?:(?:it|this|that|up|down|off)\s){0,2}to\s(?=\p{Sc}?${NUMBER}(?!\s?(?:decimal|significant|place|d\.?p)))`,
  "iu",
);
/** "between 10 and 20, namely 18". */
const RANGE = new RegExp(
  String.raw`\b(?:between\s+${NUMBER}\s+and|from\s+${NUMBER}\s+to)\s+${NUMBER}(?=.*\d)`,
  "giu",
);
const EXPLANATION =
  /^[^\p{L}]*(?:explanation|reasoning|reason|because|here'?s (?:how|why)|why|steps?|working|solution|justification)\b/iu;
/** How sure the text is of its answer. */
const CONFIDENCE =
  /\bconfidence\b\W{0,5}\d[\d.]*\s?%?|(?<![\d.])\d[\d.]{0,9}\s?%\s(?:sure|certain|confident|confidence)\b/gi;
const CORRECTION =
  /\b(?:wait|actually|hold on|oops|correction|scratch that|my mistake|made an? (?:mistake|error)|on (?:reflection|second thoughts?)|re-?check(?:ing)?|let'?s (?:double-?)?check|(?<=[?.!]\s)no(?=[,.!]))\b/gi;
/** "16 — no, 18", within a clause. */
const CORRECTED = new RegExp(
  String.raw`^.*${NUMBER}[^\n]*?(?:[-—–,…]|\.{2,})\s*(?:no|wait|sorry|er|rather|or rather|i mean|actually|make that)\s*[,:]?\s+(?=${NUMBER})|^.*${NUMBER}[^\n]*?,?\sbut\s(?:\p{L}+\s){0,3}?(?:is|it's|should be)\s+(?=\p{Sc}?${NUMBER})`,
  "iu",
);
const UNDECIDED = new RegExp(
  String.raw`\b(?:either|could be|might be|may be|maybe|perhaps|possibly)\b[^\n]*${NUMBER}[^,\n]*\bor\b[^\n]*${NUMBER}`,
  "iu",
);
/** Text in bold, and not the label in front of something. */
const BOLD = /\*\*([^*\n]+)\*\*(?!\s*:)|__([^_\n]+)__(?!\s*:)|\\(?:text|math)bf\s*\{([^{}]*)\}/g;

/**
 * The first of these that has a number: the last `####` mark, the last `\boxed{}`, the last statement
 * of the answer, a heading's line, what is bold in the last line, the last number of all.
 */
function extractNumber(output: string): string | null {
  const said = withoutThoughts(output);
  const text = withScales(withPointsAndCommas(plainNumbers(said)))
    .replace(/<<[^<>]*>>/g, "")
    // "35 cm^2" is 35.
    .replace(/(?<=\p{L})\s?\^\s?(?:\{-?\d+\}|-?\d+)/gu, "")
    .replace(CONFIDENCE, "")
    .replace(/((?:\b(?:is|was|equals)|[=:])[^\S\n]*-)[^\S\n]+(?=\d)/gi, "$1")
    .replace(/\$\$|\\[()[\]]/g, " ")
    .replace(/\*\*|__|`|(?<![\w*])\*(?=[^\s*])|(?<=[^\s*])\*(?![\w*])/g, "");
  return (
    markedNumber(text) ??
    correctedNumber(text) ??
    boxedNumber(text) ??
    lastStatement(text, statedNumber) ??
    headingNumber(text) ??
    leadingNumber(text) ??
    boldNumber(said) ??
    (isCutOff(said) || isUnanswered(text) ? null : concluded(text))
  );
}

/** `#### 18`, also with a label or on the next line; "#### Step 2" is a heading and no mark. */
function markedNumber(text: string): string | null {
  for (const [, mark = ""] of [
    ...text.matchAll(/(?<!#)####(?!#)([^\n]*\n?(?:\s*\n)*[^\n]*)/g),
  ].toReversed()) {
    const [line = "", ...next] = joinSpacedThousands(mark).split("\n");
    if (HEADING.test(line)) continue;
    const value = AT_START.exec(resultOf(line))?.[1];
    if (value !== undefined) return clean(value);
    const below = LABEL_ALONE.test(line) ? NUMBER_ALONE.exec(next.join("")) : null;
    if (below !== null) return clean(below[1]);
  }
  return null;
}

function boxedNumber(text: string): string | null {
  const boxes = boxesIn(text);
  for (const { content, before } of boxes.toReversed()) {
    const value = numbersIn(joinSpacedThousands(resultOf(content)))[0];
    if (value === undefined) continue;
    return clean(
      /(?<![\p{L}\d)}]\s*)-\s*\$?\s*$/u.test(before) && !value.startsWith("-")
        ? `-${value}`
        : value,
    );
  }
  return null;
}

/** The number that a statement of the answer goes on with. */
function statedNumber(statement: string): string | null {
  const rest = statement
    .replace(/^[\s:=]+/, "")
    .replace(/^(?:minus|negative)\s+/i, "-")
    .replace(/<[\s\S]*$/, "");
  const [line = ""] = rest.split("\n");
  const outcome = OUTCOME.exec(line);
  const before = outcome === null ? "" : line.slice(0, outcome.index);
  const isOutcome = ARITHMETIC.test(before) || SHARE.test(before);
  const corrected = line.replace(CORRECTED, "").replace(ROUNDED, "");
  const clause = firstClause(isOutcome ? line.replace(OUTCOME, " = ") : corrected);
  // "Is the answer 16?"
  if (corrected[clause.length] === "?") return null;
  return clean(
    numbersIn(joinSpacedThousands(resultOf(clause.replace(DENIED, "").replace(RANGE, ""))))[0],
  );
}

/** What a text comes to behind its last "wait" and the like, where boxes and statements stand before that. */
function correctedNumber(text: string): string | null {
  const at = [...text.matchAll(CORRECTION)].at(-1)?.index;
  const rest = at === undefined ? "" : text.slice(at);
  if (boxesIn(rest).length > 0 || lastStatement(rest, statedNumber) !== null) return null;
  return CONCLUSION.test(lastCounting(rest)) ? concluded(rest) : null;
}

function concluded(text: string): string | null {
  return clean(concludedNumber(text.replace(DENIED, "")));
}

/** Whether the text says that it has no answer, or can't choose between two. */
function isUnanswered(text: string): boolean {
  const sentence = lastCounting(text);
  if (UNDECIDED.test(sentence) || isRefusal(sentence)) return true;
  return isRefusal(text) && !CONCLUSION.test(sentence);
}

/** A number anywhere on the last line that begins with `####` and is no numbered step. */
function headingNumber(text: string): string | null {
  const lines = [...text.matchAll(/#{4,}([^\n]*)/g)].map(([, line = ""]) => line);
  const last = lines.findLast((line) => !HEADING.test(line));
  return clean(last && numbersIn(last)[0]);
}

/** A number alone on the first line, with its explanation below. */
function leadingNumber(text: string): string | null {
  const [line = "", behind = ""] = text.trim().split(/\n\s*([^\n]*)/);
  return EXPLANATION.test(behind) ? clean(NUMBER_ALONE.exec(line)?.[1]) : null;
}

/** The last bold number of the line with the last result. */
function boldNumber(text: string): string | null {
  const result = lastResult(text);
  const line = text.split("\n").findLast((one) => one.includes(result)) ?? "";
  const bold = [...line.matchAll(BOLD)]
    .map((match) => withScales(withPointsAndCommas(plainNumbers(match.slice(1).join("")))))
    .filter((one) => !HEADING.test(one) && !/:\s*$/.test(one));
  return clean(bold.flatMap((one) => numbersIn(resultOf(joinSpacedThousands(one)))).at(-1));
}

/** The number without its currency and thousands; a fraction or power as its decimal or quotient. */
function clean(number: string | undefined): string | null {
  if (number === undefined) return null;
  const bare = number.replace(/\p{Sc}\s?/u, "").replace(/^\+/, "");
  return /^-?[\d.,]+$/.test(bare) ? bare : canonicalRational(bare);
}

function isSameNumber(answer: string, { gold }: TaskItem): boolean {
  const [a, b] = [parseRational(extractNumber(answer) ?? ""), parseRational(plainNumbers(gold))];
  return a !== null && b !== null && isEqual(a, b);
}

function wantedNumber({ gold }: TaskItem): string | null {
  return parseRational(plainNumbers(gold)) === null ? "be a number, such as 18" : null;
}

/** lm-evaluation-harness's `flexible-extract`: the last thing like a number, compared as text. */
function extractFlexible(text: string): string | null {
  return text.match(/-?[$0-9.,]{2,}|-?[0-9]+/g)?.at(-1) ?? null;
}

function isSameText(answer: string, { gold }: TaskItem): boolean {
  const bare = (text: string) => text.replace(/[,$]/g, "").replace(/\.$/, "").toLowerCase();
  return bare(answer) === bare(gold);
}

/**
 * GSM8K (Cobbe et al. 2021, arXiv 2110.14168): 1,319 school word problems, downloaded or from a
 * file.
 */
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
      ? answerGrader(extractNumber, isSameNumber, wantedNumber)
      : answerGrader(extractFlexible, isSameText, wantedNumber);
  },
  locate: (options) => download(SOURCE, options),
});
