/** Which of the lettered options of a multiple-choice question a text settles on; docs/grading.md. */
import { createHash } from "node:crypto";
import { answerGrader } from "./define-task.js";
import { boxesIn, withoutThoughts } from "./outputs.js";
import { type Grader, type GradingMode, LETTERS, type TaskItem } from "./task.js";

/** A letter as an answer: "C", "(C)"; a small one only where nothing goes on behind it. */
const LETTER = String.raw`\(?\s*([A-Z]|[a-z](?=\s*[).,:]?\s*(?:$|\n)|\)))\s*\)?(?![\p{L}\d'])`;
const NOUN = "(?:[Aa]nswer|ANSWER|[Oo]ption|OPTION|[Cc]hoice|CHOICE)";
const IS = String.raw`(?:is|IS|must\s+be|should\s+be|would\s+be|will\s+be|remains|seems)`;

/** A box that names a letter, with what may stand around it. */
const BOXED = new RegExp(
  String.raw`^\s*(?:(?:the\s+)?${NOUN}(?:\s+is)?\s*:?\s*)*\(?([A-Za-z])\)?\s*(?:[.):].*)?$`,
  "s",
);
/** What is looked for in texts about options of the letters A to `last`. */
function patternsTo(last: string) {
  const [ANY, SMALL] = [`[A-${last}]`, `[a-${last.toLowerCase()}]`];
  const all = (sources: string[]) => sources.map((source) => new RegExp(source, "gu"));
  return {
    /** Each says which letter is the answer; the one that stands last in the text counts. */
    statements: all([
      String.raw`\b${NOUN}\b(?:\s+${IS})?(?:\s*[:=\u2014\u2013-])?\s*(?:${NOUN}\s+)?${LETTER}`,
      String.raw`(?<![\p{L}\d'])\(?(${ANY})\)?\s+${IS}\s+(?:the\s+|most\s+|clearly\s+)*(?:correct|right|best|true|${NOUN})`,
      String.raw`\b(?:go(?:ing)?\s+with|choose|chose|pick|picked|select|selected|must\s+be)\s+(?:${NOUN}\s+)?\(?(${ANY})(?![\p{L}\d'])`,
      String.raw`\b(?:[Ss]o|[Tt]hus|[Hh]ence|[Tt]herefore)\b[,:]?\s+(?:it\s+is\s+|it's\s+)?\(?(${ANY})\)?(?=[.!]?\s*(?:$|\n))`,
    ]),
    /** Each says which letter is not. */
    denials: all([
      String.raw`(?<![\p{L}\d'])\(?(${ANY})\)?\s+(?:is|are)\s+(?:clearly\s+|also\s+)?(?:wrong|incorrect|false|not|impossible|ruled\s+out|eliminated)`,
      String.raw`\b(?:not|isn't|eliminate|excludes?|rules?\s+out)\s+(?:${NOUN}\s+)?\(?(${ANY})(?![\p{L}\d'])\)?`,
    ]),
    alone: new RegExp(String.raw`^\(?(${ANY}|${SMALL})\)?[.):]?$`),
    inBrackets: new RegExp(String.raw`\((${ANY})\)`, "g"),
    first: new RegExp(
      String.raw`^[:(]?\s*((?:${ANY}|${SMALL})(?=\))|${ANY})(?:[).:]|\s*$|\s+\p{Lu})`,
      "mu",
    ),
    /** A capital by itself, unless it is the article or "I". */
    standalone: new RegExp(String.raw`(?<![\p{L}\d'-])(${ANY})(?![\p{L}\d'-])(?!\s+\p{Ll})`, "gu"),
    afterColon: new RegExp(String.raw`:\s*(${ANY})`, "g"),
  };
}

const patterns = new Map<number, ReturnType<typeof patternsTo>>();

/** By the number of options: those of the item, or as many as the task's items have. */
function patternsOf(count: number): ReturnType<typeof patternsTo> {
  const known = patterns.get(count) ?? patternsTo(LETTERS[count - 1] ?? "Z");
  patterns.set(count, known);
  return known;
}

/**
 * The letter that the output settles on.
 *
 * @param count how many options an item has whose options aren't known
 */
export function extractLetter(output: string, item?: TaskItem, count = 4): string | null {
  const letters = LETTERS.slice(0, item?.choices?.length || count);
  const { statements, denials, alone, inBrackets, first, standalone } = patternsOf(letters.length);
  const asLetter = (letter: string | undefined) => letterAmong(letters, letter);
  const text = plain(output);
  const denied = new Set<string>();
  const affirmed = denials.reduce(
    (left, denial) =>
      left.replace(denial, (found, letter: string) => {
        denied.add(letter);
        return " ".repeat(found.length);
      }),
    text,
  );
  return (
    boxedLetter(text, asLetter, item) ??
    lastStated(affirmed, statements, asLetter) ??
    statedChoice(affirmed, item) ??
    onlyLeft(letters, denied) ??
    asLetter(alone.exec(affirmed.trim())?.[1]) ??
    asLetter(affirmed.match(inBrackets)?.at(-1)?.[1]) ??
    asLetter(first.exec(affirmed)?.[1]) ??
    asLetter([...affirmed.matchAll(standalone)].at(-1)?.[1]) ??
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
function boxedLetter(
  text: string,
  asLetter: (letter: string | undefined) => string | null,
  item?: TaskItem,
): string | null {
  for (const { content } of boxesIn(text).toReversed()) {
    const found = asLetter(BOXED.exec(content)?.[1]) ?? ofChoice(content, item);
    if (found !== null) return found;
  }
  return null;
}

function lastStated(
  text: string,
  statements: readonly RegExp[],
  asLetter: (letter: string | undefined) => string | null,
): string | null {
  const found = statements
    .flatMap((statement) => [...text.matchAll(statement)])
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
function onlyLeft(letters: readonly string[], denied: ReadonlySet<string>): string | null {
  const left = letters.filter((letter) => !denied.has(letter));
  return left.length === 1 && letters.length > 1 ? (left[0] as string) : null;
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

/** The letter as a capital, where it is one of these. */
function letterAmong(letters: readonly string[], letter: string | undefined): string | null {
  const upper = letter?.toUpperCase();
  return letters.find((known) => known === upper) ?? null;
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
function extractFlexible(output: string, item?: TaskItem, count = 4): string | null {
  const bracketed = output.match(/\([A-Z]\)/g)?.at(-1)?.[1];
  if (bracketed !== undefined) return bracketed;
  const quoted = (item?.choices ?? []).map((choice) =>
    output.toLowerCase().lastIndexOf(choice.toLowerCase()),
  );
  const last = Math.max(...quoted);
  if (quoted.length > 0 && last >= 0) return LETTERS[quoted.indexOf(last)] ?? null;
  const { afterColon } = patternsOf(item?.choices?.length || count);
  return [...output.matchAll(afterColon)].at(-1)?.[1] ?? null;
}

/** A question with its lettered options, one a line. */
export function askWithLetters(question: string, choices: readonly string[]): string {
  const options = choices.map((choice, i) => `(${LETTERS[i]}) ${choice}`);
  return `${question}\n${options.join("\n")}`;
}

/** The options in an order that an item's own name fixes, the same in every run. */
export function shuffled(id: string, choices: readonly string[]): string[] {
  const rank = (choice: string) => createHash("sha256").update(`${id}\n${choice}`).digest("hex");
  return choices.toSorted((a, b) => (rank(a) < rank(b) ? -1 : 1));
}

/** Golds elsewhere are written `A` or `(A)`. */
function letterOf(gold: string): string | null {
  return letterAmong(LETTERS, /^\s*\(?([A-Za-z])\)?\s*$/.exec(gold)?.[1]);
}

/** Grades letters: by the text's meaning, or as lm-evaluation-harness finds them. */
export function letterGrader(mode: GradingMode, count = 4): Grader {
  const extract = mode === "fair" ? extractLetter : extractFlexible;
  return answerGrader(
    (text, item) => extract(text, item, count),
    (answer, { gold }) => letterAmong(LETTERS, answer) === letterOf(gold),
  );
}
