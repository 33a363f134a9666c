/**
 * Completes a constrained text that was cut off. It keeps as much of the text as possible, so that the
 * shortest text that meets the constraint still fits.
 */
import type { Vocabulary } from "../vocabulary.js";
import { readGrammar } from "./read-grammar.js";
import { GrammarReader, type Readings } from "./readings.js";

/** The most characters of an ending, for each token that is left. */
const CHARACTERS_A_TOKEN = 32;

/** A prefix of a text, and the tokens that complete it. */
export interface Closing {
  /** The number of tokens of the text that are kept. */
  kept: number;
  /** The tokens to append after them. */
  added: Int32Array;
  /** The text of all these tokens. */
  text: string;
}

/**
 * @param grammar a compiled constraint's grammar, in GBNF
 * @param tokens a text without an end token; the grammar reads it from its first token on
 * @param maxTokens the most tokens, kept and added ones together
 * @returns null if no prefix of the text can be completed within `maxTokens`
 */
export function closingOf(
  vocabulary: Pick<Vocabulary, "textBytes" | "tokenize">,
  grammar: string,
  tokens: readonly number[],
  maxTokens: number,
): Closing | null {
  const reader = new GrammarReader(readGrammar(grammar).rules);
  for (const { kept, text, readings } of beginnings(vocabulary, reader, tokens).reverse()) {
    const room = maxTokens - kept;
    const end = room < 0 ? null : reader.shortestEnd(readings, CHARACTERS_A_TOKEN * room);
    const added = end === null ? null : tokensBehind(vocabulary, end);
    if (added !== null && added.length <= room) return { kept, added, text: text + end };
  }
  return null;
}

/** The text's prefixes that end with a complete character, from the shortest to the longest. */
function beginnings(
  vocabulary: Pick<Vocabulary, "textBytes">,
  reader: GrammarReader,
  tokens: readonly number[],
): { kept: number; text: string; readings: Readings }[] {
  const found = [{ kept: 0, text: "", readings: reader.start }];
  let unread = Buffer.alloc(0);
  for (const [i, token] of tokens.entries()) {
    unread = Buffer.concat([unread, vocabulary.textBytes(Int32Array.of(token))]);
    const part = unread.toString("utf8");
    if (!Buffer.from(part, "utf8").equals(unread)) continue;
    const last = found.at(-1);
    const readings = reader.after(last?.readings ?? reader.start, part);
    if (readings.size === 0) break;
    found.push({ kept: i + 1, text: (last?.text ?? "") + part, readings });
    unread = Buffer.alloc(0);
  }
  return found;
}

/** Tokens for a text that follows others; null if the tokenizer gives none that spell it exactly. */
function tokensBehind(
  vocabulary: Pick<Vocabulary, "textBytes" | "tokenize">,
  text: string,
): Int32Array | null {
  if (text === "") return new Int32Array();
  const whole = Buffer.from(text, "utf8");
  const spells = (tokens: Int32Array) => vocabulary.textBytes(tokens).equals(whole);
  const tokens = vocabulary.tokenize(text);
  if (spells(tokens)) return tokens;
  // Some tokenizers add a space at the beginning of a document. So tokenize the text after a line feed.
  const line = vocabulary.tokenize(`\n${text}`);
  for (let from = 1; from < line.length; from++) {
    const rest = line.subarray(from);
    if (spells(rest)) return rest;
  }
  return null;
}
