/** Which of the lettered options of a multiple-choice question a text settles on; docs/grading.md. */
import { createHash } from "node:crypto";
import { BOXED, type Patterns, patternsOf } from "./choice-patterns.js";
import { answerGrader } from "./define-task.js";
import { plainNumbers } from "./numbers.js";
import { boxesIn, isCutOff, withoutThoughts } from "./outputs.js";
import { lastStatement } from "./statements.js";
import { type Grader, type GradingMode, LETTERS, type TaskItem } from "./task.js";

/**
 * The letter that the output settles on.
 *
 * @param count how many options an item has whose options aren't known
 */
export function extractLetter(output: string, item?: TaskItem, count = 4): string | null {
  const letters = LETTERS.slice(0, item?.choices?.length || count);
  const patterns = patternsOf(letters.length);
  const { statements, preferences, denials, undecided } = patterns;
  const asLetter = (letter: string | undefined) => letterAmong(letters, letter);
  const text = plain(output).replace(patterns.excepted, "The answer is $1\n");
  const denied = new Set<string>();
  const blank = (found: string) => found.replace(/[^\n]/g, " ");
  const affirmed = denials.reduce(
    (left, denial) =>
      left.replace(denial, (found) => {
        for (const letter of found.match(patterns.letters) ?? []) denied.add(letter);
        return blank(found);
      }),
    text,
  );
  if (patterns.severalBoxed.test(boxesIn(text).at(-1)?.content ?? "")) return null;
  const told = withoutList(affirmed, patterns, letters).replace(undecided, blank);
  return (
    boxedLetter(text, asLetter, item) ??
    lastStated(told, statements, asLetter) ??
    lastStatement(affirmed, (rest) => choiceAtStart(rest, item)) ??
    concludedChoice(affirmed, item) ??
    ofChoice(affirmed, item) ??
    onlyLeft(letters, denied) ??
    letterOfLine(told, patterns, item, asLetter) ??
    lastStated(told, preferences, asLetter) ??
    asLetter(told.match(patterns.inBrackets)?.at(-1)?.[1]) ??
    asLetter(lastOf(told.matchAll(patterns.first))?.[1]) ??
    (isCutOff(text) ? null : asLetter(lastOf(lastLine(told).matchAll(patterns.standalone))?.[1])) ??
    mentionedChoice(told, item)
  );
}

function lastLine(text: string): string {
  return text.trimEnd().split("\n").at(-1) ?? "";
}

function lastOf(matches: Iterable<RegExpMatchArray>): RegExpMatchArray | undefined {
  return [...matches].at(-1);
}

/** What is said of an option that is right. */
const APPROVED =
  /[\u2705\u2713\u2714\u2611]|\b(?:correct|right|true|yes|match(?:es)?|fits|satisfies|agrees)\b/i;
const DISAPPROVED = /\b(?:not|no|never|cannot|wrong|incorrect|false|only partly)\b|n't\b/i;

/**
 * Without the options that nothing is said of, where the text lists all of them again. The one line that
 * stands beside the complete list, as behind "The correct answer is:", is kept.
 */
function withoutList(text: string, { first }: Patterns, letters: readonly string[]): string {
  const lines = [...text.matchAll(first)].filter(([, , rest]) => rest !== "");
  const named = lines.map(([, letter = ""]) => letter.toUpperCase());
  if (!letters.every((letter) => named.includes(letter))) return text;
  const all = letters.join("");
  const others = named.join("").replaceAll(all, (list) => " ".repeat(list.length));
  const beside = [...others.matchAll(/\S/g)];
  const kept = beside.length === 1 ? lines[beside[0]?.index ?? 0]?.index : undefined;
  return text.replace(first, (line, _, rest: string, at: number) =>
    rest === "" || at === kept || (APPROVED.test(line) && !DISAPPROVED.test(line)) ? line : "",
  );
}

/** Where the whole first or last line is a letter, or a letter and its option, the letter. */
function letterOfLine(
  text: string,
  { alone, first }: Patterns,
  item: TaskItem | undefined,
  asLetter: (letter: string | undefined) => string | null,
): string | null {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  for (const line of [lines[0] ?? "", lines.at(-1) ?? ""]) {
    const letter = asLetter(alone.exec(line.trim())?.[1]);
    if (letter !== null) return letter;
  }
  const options = [...text.matchAll(first)].filter(
    ([, letter, rest = ""]) => rest !== "" && ofChoice(rest, item) === letter?.toUpperCase(),
  );
  const named = new Set(options.map(([, letter]) => letter));
  return named.size === 1 ? asLetter(options[0]?.[1]) : null;
}

/** Without thoughts, emphasis, math signs and the commands that only change a letter's look. */
function plain(output: string): string {
  return plainNumbers(withoutThoughts(output))
    .replace(/<\/answer>/g, "\n")
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
    const [, first, rest = ""] = /^\s*\(?([A-Z])\)?\s+(.+)$/.exec(content) ?? [];
    const withOption = ofChoice(rest, item) === first ? first : undefined;
    const found =
      asLetter(BOXED.exec(content)?.[1]) ??
      asLetter(withOption) ??
      ofChoice(content, item) ??
      ofChoice(content.split("=").at(-1) ?? "", item);
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
    .map(({ index, 1: capital, 2: small }) => ({ index, letter: asLetter(capital ?? small) }))
    .filter(({ letter }) => letter !== null)
    .toSorted((a, b) => a.index - b.index);
  return found.at(-1)?.letter ?? null;
}

/** The option that a text begins with; of "the sun and the moon" it isn't "the sun". */
function choiceAtStart(text: string, item?: TaskItem): string | null {
  const words = `${bare(text)} `;
  const choices = (item?.choices ?? []).map((choice) => `${bare(choice)} `);
  const [longest] = choices
    .filter((choice) => choice !== " " && words.startsWith(choice))
    .toSorted((a, b) => b.length - a.length);
  if (longest === undefined || /^(?:or|and) /.test(words.slice(longest.length))) return null;
  return LETTERS[choices.indexOf(longest)] ?? null;
}

/** The option that "so" or "therefore" brings in and with which the sentence ends, or that ends an equation. */
function concludedChoice(text: string, item?: TaskItem): string | null {
  const conclusions = text.matchAll(
    /\b(?:so|thus|hence|therefore)\b[,:]?\s+((?:[^\n.!?]|\.(?=\d))+)/gi,
  );
  const letters = [...conclusions].map(([, rest = ""]) => {
    const said = rest.replace(
      /^(?:it(?:'s| is)|they are|the)\s+|\s+(?:is|are)\s+(?:correct|right)$/gi,
      "",
    );
    // "the primary effect is uncoupling"
    return ofChoice(said, item) ?? ofChoice(said.split(/\s(?:is|are|be)\s/).at(-1) ?? "", item);
  });
  const [, side = ""] = /[=\u2248]([^=\u2248]*)$/.exec(lastLine(text)) ?? [];
  return letters.findLast((letter) => letter !== null) ?? ofChoice(side, item);
}

/** The one letter that is not denied, where all others are. */
function onlyLeft(letters: readonly string[], denied: ReadonlySet<string>): string | null {
  const left = letters.filter((letter) => !denied.has(letter));
  return left.length === 1 && letters.length > 1 ? (left[0] as string) : null;
}

/** The option that the text mentions and doesn't deny, where it mentions one alone. */
function mentionedChoice(text: string, item?: TaskItem): string | null {
  const plainly = (words: string) => ` ${bare(words).replace(DECIMAL_ZEROS, "$1")} `;
  const choices = (item?.choices ?? []).map(plainly);
  // Twice: of "not 12 W or 48 W" the second is denied by the first.
  const words = [...choices, ...choices].reduce((left, choice) => {
    const affirmed = DENIED.reduce(
      (rest, denial) => rest.replaceAll(`${choice}${denial} `, " "),
      left,
    );
    return DENIALS.reduce(
      (rest, denial) =>
        DENIAL_JOINTS.reduce(
          (one, joint) => one.replaceAll(` ${denial}${joint}${choice}`, ` ${denial} `),
          rest,
        ),
      affirmed,
    );
  }, plainly(text));
  const found = choices.filter((choice) => words.includes(choice));
  // "the sun" stands in "the sun and the moon", too.
  const longest = [...new Set(found)].filter(
    (choice) => !found.some((other) => other !== choice && other.includes(choice)),
  );
  return longest.length === 1 ? (LETTERS[choices.indexOf(longest[0] as string)] ?? null) : null;
}

/** What denies the words before it, and those behind it, as `bare` leaves it. */
const DENIED = ["excluded", "wrong", "incorrect", "not", "ruled out", "too"].flatMap((word) => [
  `is ${word}`,
  `are ${word}`,
]);
const DENIALS = ["not", "isnt", "rather than", "instead of"];
/** What may stand between the denial and what is denied. */
const DENIAL_JOINTS = "| the| a| an| or| nor| and| or the| nor the| by| by the| by a| by an".split(
  "|",
);

/** The letter as a capital, where it is one of these. */
function letterAmong(letters: readonly string[], letter: string | undefined): string | null {
  const upper = letter?.toUpperCase();
  return letters.find((known) => known === upper) ?? null;
}

const DECIMAL_ZEROS = /(?<=\d)(?:(\.\d*[1-9])0+|\.0+)(?!\d)/g;

/** The option that a text is, whatever its case, quotes and spaces; "(B) 36 W" is option B's letter first. */
function ofChoice(text: string, item?: TaskItem): string | null {
  const is = (form: (words: string) => string) =>
    item?.choices?.findIndex((choice) => form(choice) === form(text)) ?? -1;
  const exact = is(bare);
  // 1.50 mol is 1.5 mol.
  return (
    LETTERS[exact < 0 ? is((words) => bare(words).replace(DECIMAL_ZEROS, "$1")) : exact] ?? null
  );
}

function bare(words: string): string {
  return plain(words)
    .toLowerCase()
    .replace(/["'\u2018-\u201d]/g, "")
    .replace(/[\s,;:!?]+|\.(?!\d)/g, " ")
    .trim()
    .replace(/^(?:the|an?) (?=.)/, "");
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

/** Golds elsewhere are written `A` or `(A)`; where several are right, one a line. */
function lettersOf(gold: string): (string | null)[] {
  return gold
    .split("\n")
    .map((line) => letterAmong(LETTERS, /^\s*\(?([A-Za-z])\)?\s*$/.exec(line)?.[1]));
}

/** Grades letters: by the text's meaning, or as lm-evaluation-harness finds them. */
export function letterGrader(mode: GradingMode, count = 4): Grader {
  const extract = mode === "fair" ? extractLetter : extractFlexible;
  return answerGrader(
    (text, item) => extract(text, item, count),
    (answer, { gold }) => {
      const letter = letterAmong(LETTERS, answer);
      return answer === gold || (letter !== null && lettersOf(gold).includes(letter));
    },
    ({ gold, choices }) => {
      const last = LETTERS[(choices?.length || LETTERS.length) - 1] as string;
      const isRead = lettersOf(gold).every((letter) => letter !== null && letter <= last);
      return isRead ? null : `be a letter from A to ${last}`;
    },
  );
}
