/**
 * The instructions of IFEval: checks of whole texts, and values of beginnings of texts. The checks are
 * those of the published evaluation (docs/grading.md). Each takes a time that is linear in the text's
 * length.
 */
import type { DetectLanguage } from "./language.js";
import {
  countBullets,
  countHighlights,
  countParagraphs,
  countPlaceholders,
  firstWord,
  hasTitle,
  isJson,
  withoutQuotes,
} from "./marks.js";
import { SPACE, sentencesOf, strip } from "./sentences.js";
import { countCapitalWords, countWords, isLower, isUpper } from "./words.js";

/** One instruction: whether a text follows it, and the value of the beginning of a text. */
export interface Check {
  follows(text: string): boolean;
  /**
   * The value, from 0 to 1, of a text that goes on. It is 0 if no continuation can follow the instruction,
   * and 1 if the instruction is followed or may still be followed. If the text must contain something many
   * times, it is the share that is already there.
   */
  promise(text: string): number;
}

type Arguments = ReadArguments & { detect: DetectLanguage };

/** Reads arguments by their names. `refuse` throws an error that says what is expected. */
export interface ReadArguments {
  text(name: string): string;
  texts(name: string): string[];
  count(name: string): number;
  oneOf<T extends string>(name: string, choices: readonly T[]): T;
}

const RELATIONS = ["less than", "at least"] as const;
type Relation = (typeof RELATIONS)[number];

/** A check that something must not occur. Once it has occurred, no continuation helps. */
function never(isBroken: (text: string) => boolean): Check {
  return { follows: (text) => !isBroken(text), promise: (text) => (isBroken(text) ? 0 : 1) };
}

/** A check that something occurs at least `wanted` times. Continuations can't lower the count. */
function atLeast(wanted: number, count: (text: string) => number): Check {
  return {
    follows: (text) => count(text) >= wanted,
    promise: (text) => (wanted <= 0 ? 1 : Math.min(1, count(text) / wanted)),
  };
}

/** A check that something occurs exactly `wanted` times. */
function exactly(wanted: number, count: (text: string) => number): Check {
  return {
    follows: (text) => count(text) === wanted,
    promise: (text) => (count(text) > wanted ? 0 : 1),
  };
}

function related(relation: Relation, wanted: number, count: (text: string) => number): Check {
  return relation === "at least" ? atLeast(wanted, count) : never((text) => count(text) >= wanted);
}

/** A check of a whole text. The beginning of a text gives no information about it. */
function whole(follows: (text: string) => boolean): Check {
  return { follows, promise: () => 1 };
}

const KINDS = {
  "keywords:existence"(given) {
    const keywords = given.texts("keywords").map((word) => ignoringCase(escaped(word)));
    return atLeast(
      keywords.length,
      (text) => keywords.filter((keyword) => text.search(keyword) >= 0).length,
    );
  },
  "keywords:frequency"(given) {
    const keyword = ignoringCase(escaped(strip(given.text("keyword"))));
    const count = (text: string) => text.match(keyword)?.length ?? 0;
    return related(given.oneOf("relation", RELATIONS), given.count("frequency"), count);
  },
  "keywords:forbidden_words"(given) {
    const words = given.texts("forbidden_words").map(wholeWord);
    return never((text) => words.some((word) => text.search(word) >= 0));
  },
  "keywords:letter_frequency"(given) {
    const letter = given.text("letter").trim().toLowerCase();
    const count = (text: string) => text.toLowerCase().split(letter).length - 1;
    return related(given.oneOf("let_relation", RELATIONS), given.count("let_frequency"), count);
  },
  "language:response_language"(given) {
    const language = given.text("language");
    return whole((text) => [language, null].includes(given.detect(text)));
  },
  "length_constraints:number_sentences"(given) {
    const wanted = given.count("num_sentences");
    return related(given.oneOf("relation", RELATIONS), wanted, (text) => sentencesOf(text).length);
  },
  "length_constraints:number_paragraphs"(given) {
    const wanted = given.count("num_paragraphs");
    return {
      follows: (text) => countParagraphs(text) === wanted,
      promise: (text) => ((countParagraphs(strip(text)) ?? Infinity) > wanted ? 0 : 1),
    };
  },
  "length_constraints:number_words"(given) {
    return related(given.oneOf("relation", RELATIONS), given.count("num_words"), countWords);
  },
  "length_constraints:nth_paragraph_first_word"(given) {
    const wanted = given.count("num_paragraphs");
    const nth = given.count("nth_paragraph");
    const word = given.text("first_word").toLowerCase();
    return {
      follows(text) {
        const paragraphs = text.split("\n\n");
        const count = paragraphs.filter((paragraph) => strip(paragraph) !== "").length;
        return count === wanted && nth <= count && firstWord(paragraphs[nth - 1] ?? "") === word;
      },
      promise(text) {
        const paragraphs = text.split("\n\n");
        const count = paragraphs.filter((paragraph) => strip(paragraph) !== "").length;
        const first = paragraphs[nth - 1] ?? "";
        // The first word counts only if it is complete, because it may still grow.
        const hasBegun = paragraphs.length > nth || new RegExp(`[^${SPACE}][${SPACE}]`).test(first);
        return count > wanted || (hasBegun && firstWord(first) !== word) ? 0 : 1;
      },
    };
  },
  "detectable_content:number_placeholders"(given) {
    return atLeast(given.count("num_placeholders"), countPlaceholders);
  },
  "detectable_content:postscript"(given) {
    const marker = strip(given.text("postscript_marker"));
    const known: Readonly<Record<string, string>> = {
      "P.P.S": `p\\.[${SPACE}]?p\\.[${SPACE}]?s`,
      "P.S.": `p\\.[${SPACE}]?s\\.`,
    };
    const pattern = new RegExp(known[marker] ?? escaped(marker.toLowerCase()), "u");
    return whole((text) => pattern.test(text.toLowerCase()));
  },
  "detectable_format:number_bullet_lists"(given) {
    return exactly(given.count("num_bullets"), (text) => countBullets(text));
  },
  "detectable_format:constrained_response"() {
    const options = ["My answer is yes.", "My answer is no.", "My answer is maybe."];
    return whole((text) => options.some((option) => text.includes(option)));
  },
  "detectable_format:number_highlighted_sections"(given) {
    return atLeast(given.count("num_highlights"), countHighlights);
  },
  "detectable_format:multiple_sections"(given) {
    const splitter = escaped(strip(given.text("section_spliter")));
    const mark = new RegExp(`${splitter}[${SPACE}]?\\p{Nd}+`, "gu");
    return atLeast(given.count("num_sections"), (text) => text.match(mark)?.length ?? 0);
  },
  "detectable_format:json_format"() {
    return {
      follows: isJson,
      promise: (text) => (/^[{["`\-\dtfnNI]/.test(strip(text)) || strip(text) === "" ? 1 : 0),
    };
  },
  "detectable_format:title": () => whole((text) => text.split("\n").some(hasTitle)),
  "combination:two_responses"() {
    return {
      follows(text) {
        const parts = text.split("******").map(strip);
        const isGap = (part: string, i: number) => part === "" && i > 0 && i < parts.length - 1;
        const responses = parts.filter((part) => part !== "");
        return !parts.some(isGap) && responses.length === 2 && responses[0] !== responses[1];
      },
      promise: (text) =>
        text.split("******").filter((part) => strip(part) !== "").length > 2 ? 0 : 1,
    };
  },
  "combination:repeat_prompt"(given) {
    const prompt = strip(given.text("prompt_to_repeat")).toLowerCase();
    return {
      follows: (text) => strip(text).toLowerCase().startsWith(prompt),
      promise(text) {
        const begun = strip(text).toLowerCase();
        return prompt.startsWith(begun) || begun.startsWith(prompt) ? 1 : 0;
      },
    };
  },
  "startend:end_checker"(given) {
    const phrase = strip(given.text("end_phrase")).toLowerCase();
    return whole((text) => withoutQuotes(strip(text)).toLowerCase().endsWith(phrase));
  },
  "startend:quotation"() {
    return {
      follows(text) {
        const inner = strip(text);
        return inner.length > 1 && inner.startsWith('"') && inner.endsWith('"');
      },
      promise: (text) => (["", '"'].includes(strip(text).slice(0, 1)) ? 1 : 0),
    };
  },
  "change_case:capital_word_frequency"(given) {
    const wanted = given.count("capital_frequency");
    return related(given.oneOf("capital_relation", RELATIONS), wanted, countCapitalWords);
  },
  "change_case:english_capital": ({ detect }) => ({
    follows: (text) => isUpper(text) && isEnglish(detect, text),
    promise: (text) => (/\p{Lowercase}|\p{Lt}/u.test(text) ? 0 : 1),
  }),
  "change_case:english_lowercase": ({ detect }) => ({
    follows: (text) => isLower(text) && isEnglish(detect, text),
    promise: (text) => (/\p{Uppercase}|\p{Lt}/u.test(text) ? 0 : 1),
  }),
  "punctuation:no_comma": () => never((text) => text.includes(",")),
} as const satisfies Record<string, (given: Arguments) => Check>;

/** The kinds of instructions, by IFEval's names. */
export const INSTRUCTION_KINDS: readonly string[] = Object.keys(KINDS);

/** Makes the check of an instruction. Throws what `given` throws for missing or invalid arguments. */
export function toCheck(kind: string, given: ReadArguments, detect: DetectLanguage): Check {
  return KINDS[kind as keyof typeof KINDS]({ ...given, detect });
}

/** Whether the unchanged text follows an instruction. A text without content follows none. */
export function followsStrictly({ follows }: Check, text: string): boolean {
  return strip(text) !== "" && follows(text);
}

/** The text, and its variants without the first line, the last line, and the marks of emphasis. */
export function looseVariants(text: string): string[] {
  const lines = text.split("\n");
  const cut = [lines.slice(1), lines.slice(0, -1), lines.slice(1, -1)];
  const texts = [text, ...cut.map((left) => strip(left.join("\n")))];
  return [...new Set([...texts, ...texts.map((one) => one.replaceAll("*", ""))])];
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&").replaceAll("\\-", "\\x2d");
}

function ignoringCase(pattern: string): RegExp {
  return new RegExp(pattern, "giu");
}

/** A pattern for the word between two word borders. Words consist of letters, digits and underscores. */
function wholeWord(word: string): RegExp {
  const w = String.raw`[\p{L}\p{N}_]`;
  const border = `(?:(?<=${w})(?!${w})|(?<!${w})(?=${w}))`;
  return ignoringCase(`${border}${escaped(word)}${border}`);
}

function isEnglish(detect: DetectLanguage, text: string): boolean {
  return ["en", null].includes(detect(text));
}
