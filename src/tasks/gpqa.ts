/**
 * GPQA: graduate-level multiple choice (Idavidrein/gpqa, CC BY 4.0). The authors ask that it isn't
 * spread in plain text, so there is no download: users bring the CSV file.
 */
import { createHash } from "node:crypto";
import { LlamaEtsError } from "../engine/errors.js";
import { answerGrader, defineTask } from "./define-task.js";
import { CHOICE_PROBLEMS } from "./few-shot.js";
import { boxesIn, withoutThoughts } from "./outputs.js";
import type { TaskItem } from "./task.js";

const LETTERS = ["A", "B", "C", "D"] as const;
const WRONG = ["Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3"];
/** A letter as an answer: "C", "(C)"; a small one only where nothing goes on behind it. */
const LETTER = String.raw`\(?\s*([A-Z]|[a-z](?=\s*[).,:]?\s*(?:$|\n)|\)))\s*\)?(?![\p{L}\d'])`;
const NOUN = "(?:[Aa]nswer|ANSWER|[Oo]ption|OPTION|[Cc]hoice|CHOICE)";
const IS = String.raw`(?:is|IS|must\s+be|should\s+be|would\s+be|will\s+be|remains|seems)`;

/** A box that names a letter, with what may stand around it. */
const BOXED = new RegExp(
  String.raw`^\s*(?:(?:the\s+)?${NOUN}(?:\s+is)?\s*:?\s*)*\(?([A-Za-z])\)?\s*(?:[.):].*)?$`,
  "s",
);
/** Each says which letter is the answer; the one that stands last in the text counts. */
const STATEMENTS = [
  String.raw`\b${NOUN}\b(?:\s+${IS})?(?:\s*[:=\u2014\u2013-])?\s*(?:${NOUN}\s+)?${LETTER}`,
  String.raw`(?<![\p{L}\d'])\(?([A-D])\)?\s+${IS}\s+(?:the\s+|most\s+|clearly\s+)*(?:correct|right|best|true|${NOUN})`,
  String.raw`\b(?:go(?:ing)?\s+with|choose|chose|pick|picked|select|selected|must\s+be)\s+(?:${NOUN}\s+)?\(?([A-D])(?![\p{L}\d'])`,
  String.raw`\b(?:[Ss]o|[Tt]hus|[Hh]ence|[Tt]herefore)\b[,:]?\s+(?:it\s+is\s+|it's\s+)?\(?([A-D])\)?(?=[.!]?\s*(?:$|\n))`,
].map((source) => new RegExp(source, "gu"));
/** Each says which letter is not. */
const DENIALS = [
  String.raw`(?<![\p{L}\d'])\(?([A-D])\)?\s+(?:is|are)\s+(?:clearly\s+|also\s+)?(?:wrong|incorrect|false|not|impossible|ruled\s+out|eliminated)`,
  String.raw`\b(?:not|isn't|eliminate|excludes?|rules?\s+out)\s+(?:${NOUN}\s+)?\(?([A-D])(?![\p{L}\d'])\)?`,
].map((source) => new RegExp(source, "gu"));

/** The letter A to D that the output settles on. docs/grading.md has the order. */
function extractLetter(output: string, item?: TaskItem): string | null {
  const text = plain(output);
  const denied = new Set<string>();
  const affirmed = DENIALS.reduce(
    (left, denial) =>
      left.replace(denial, (found, letter: string) => {
        denied.add(letter);
        return " ".repeat(found.length);
      }),
    text,
  );
  return (
    boxedLetter(text, item) ??
    lastStated(affirmed) ??
    statedChoice(affirmed, item) ??
    onlyLeft(denied) ??
    asLetter(/^\(?([A-Da-d])\)?[.):]?$/.exec(affirmed.trim())?.[1]) ??
    asLetter(affirmed.match(/\(([A-D])\)/g)?.at(-1)?.[1]) ??
    asLetter(/^[:(]?\s*([A-Da-d](?=\))|[A-D])(?:[).:]|\s*$|\s+\p{Lu})/mu.exec(affirmed)?.[1]) ??
    asLetter(lastStandalone(affirmed)) ??
    mentionedChoice(affirmed, item)
  );
}

/** Without thoughts, emphasis, math signs and the commands that only change a letter's look. */
function plain(output: string): string {
  return withoutThoughts(output)
    .normalize("NFKC")
    .replace(/\\(?:text(?:bf|it|rm)?|mathrm|mathbf|mathit|mathsf|mbox)\s*\{([^{}]*)\}/g, "$1")
    .replace(/\\[,;:! ]/g, " ")
    .replace(/[*_`$]|\\[()[\]]/g, "")
    .trim();
}

/** The last box that names a letter or an option; boxes with other formulas don't count. */
function boxedLetter(text: string, item?: TaskItem): string | null {
  for (const { content } of boxesIn(text).toReversed()) {
    const found = asLetter(BOXED.exec(content)?.[1]) ?? ofChoice(content, item);
    if (found !== null) return found;
  }
  return null;
}

function lastStated(text: string): string | null {
  const found = STATEMENTS.flatMap((statement) => [...text.matchAll(statement)])
    .filter(([, letter]) => asLetter(letter) !== null)
    .toSorted((a, b) => a.index - b.index);
  return asLetter(found.at(-1)?.[1]);
}

/** The option behind the last "answer is", or the option that is the whole output. */
function statedChoice(text: string, item?: TaskItem): string | null {
  const quoted = [...text.matchAll(/\banswer(?:\s+is\b|\s*:)\s*:?\s*([^\n]+)/gi)].at(-1)?.[1];
  return (quoted && ofChoice(quoted, item)) || ofChoice(text, item);
}

/** The one letter that is not denied, where all others are. */
function onlyLeft(denied: ReadonlySet<string>): string | null {
  return denied.size === LETTERS.length - 1
    ? (LETTERS.find((letter) => !denied.has(letter)) ?? null)
    : null;
}

/** The option that the text mentions, where it mentions one alone. */
function mentionedChoice(text: string, item?: TaskItem): string | null {
  const words = ` ${bare(text)} `;
  const choices = (item?.choices ?? []).map((choice) => ` ${bare(choice)} `);
  const found = choices.filter((choice) => words.includes(choice));
  // "the sun" stands in "the sun and the moon", too.
  const longest = found.filter(
    (choice) => !found.some((other) => other !== choice && other.includes(choice)),
  );
  return longest.length === 1 ? (LETTERS[choices.indexOf(longest[0] as string)] ?? null) : null;
}

/** The last capital letter by itself, unless it is the article or "I". */
function lastStandalone(text: string): string | undefined {
  const found = text.matchAll(/(?<![\p{L}\d'-])([A-D])(?![\p{L}\d'-])(?!\s+\p{Ll})/gu);
  return [...found].at(-1)?.[1];
}

function asLetter(letter: string | undefined): string | null {
  const upper = letter?.toUpperCase();
  return LETTERS.find((known) => known === upper) ?? null;
}

/** The option that a text is, whatever its case, quotes and spaces; "(B) 36 W" is option B's letter first. */
function ofChoice(text: string, item?: TaskItem): string | null {
  const index = item?.choices?.findIndex((choice) => bare(choice) === bare(text)) ?? -1;
  return LETTERS[index] ?? null;
}

function bare(words: string): string {
  return plain(words)
    .toLowerCase()
    .replace(/["'\u2018-\u201d]/g, "")
    .replace(/[\s,;:!?]+|\.(?!\d)/g, " ")
    .trim();
}

/**
 * lm-evaluation-harness's `flexible-extract`: the last letter in brackets, else the last choice
 * that is quoted, else the last letter behind a colon.
 */
function extractFlexible(output: string, item?: TaskItem): string | null {
  const bracketed = output.match(/\([A-Z]\)/g)?.at(-1)?.[1];
  if (bracketed !== undefined) return bracketed;
  const quoted = (item?.choices ?? []).map((choice) =>
    output.toLowerCase().lastIndexOf(choice.toLowerCase()),
  );
  const last = Math.max(...quoted);
  if (quoted.length > 0 && last >= 0) return LETTERS[quoted.indexOf(last)] ?? null;
  return [...output.matchAll(/:\s*([A-D])/g)].at(-1)?.[1] ?? null;
}

/** Where the right answer goes among the wrong ones, 0 to 3: fixed by the question's own id. */
function shuffled(id: string, choices: readonly string[]): string[] {
  const rank = (choice: string) => createHash("sha256").update(`${id}\n${choice}`).digest("hex");
  return choices.toSorted((a, b) => (rank(a) < rank(b) ? -1 : 1));
}

function ask(question: string, choices: readonly string[]): string {
  const options = choices.map((choice, i) => `(${LETTERS[i]}) ${choice}`);
  return `${question}\n${options.join("\n")}`;
}

export const gpqa = defineTask({
  name: "gpqa",
  extract: extractLetter,
  locate() {
    throw new LlamaEtsError("ERR_INVALID_OPTION", "GPQA is handed out by its authors alone", {
      fix: "--data gpqa_diamond.csv, from huggingface.co/datasets/Idavidrein/gpqa",
    });
  },
  parse(row) {
    const id = row.has("Record ID") ? row.text("Record ID") : `gpqa/${row.line}`;
    const right = row.text("Correct Answer").trim();
    const choices = shuffled(id, [right, ...WRONG.map((field) => row.text(field).trim())]);
    const gold = LETTERS[choices.indexOf(right)] as string;
    return { id, prompt: row.text("Question").trim(), gold, choices };
  },
  prompt({ prompt, choices = [] }, form) {
    if (form === "chat") {
      const how = "Think step by step. End with a line `The answer is (X)`, X being the letter.";
      return { prompt: `${ask(prompt, choices)}\n\n${how}`, raw: false, stop: [], maxTokens: 512 };
    }
    const shots = CHOICE_PROBLEMS.map(
      (p) =>
        `Question: ${ask(p.question, p.choices)}\nAnswer: ${p.reasoning} The answer is (${p.letter}).\n\n`,
    );
    const text = `${shots.join("")}Question: ${ask(prompt, choices)}\nAnswer:`;
    return { prompt: text, raw: true, stop: ["\nQuestion:"], maxTokens: 512 };
  },
  async openGrader({ mode = "fair" } = {}) {
    const extract = mode === "fair" ? extractLetter : extractFlexible;
    return answerGrader(extract, (answer, { gold }) => asLetter(answer) === letterOf(gold));
  },
});

/** Golds elsewhere are written `A` or `(A)`. */
function letterOf(gold: string): string | null {
  return asLetter(/^\s*\(?([A-Za-z])\)?\s*$/.exec(gold)?.[1]);
}
