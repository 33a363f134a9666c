/**
 * Closes a text that was cut off: as much of it is kept as leaves room for the shortest text by which
 * the constraint is met.
 */
import type { Vocabulary } from "../vocabulary.js";
import { readGrammar } from "./read-grammar.js";
import { GrammarReader, type Readings } from "./readings.js";

/** What an end that fits has at most for each token that is left. */
const CHARACTERS_A_TOKEN = 32;

export interface Closing {
  /** How many tokens of the text stay. */
  kept: number;
  /** The tokens behind them. */
  added: Int32Array;
  /** What both spell. */
  text: string;
}

/**
 * @param grammar in GBNF, as a compiled constraint has it
 * @param tokens a text that the grammar reads from its first token on, without an end token
 * @param maxTokens what the kept tokens and the added ones come to at most
 * @returns null where no beginning of the text can be closed within `maxTokens`
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

/** The text's beginnings that end with a whole character, shortest first. */
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

/** Tokens that spell a text behind others; null where the vocabulary can't spell it there. */
function tokensBehind(
  vocabulary: Pick<Vocabulary, "textBytes" | "tokenize">,
  text: string,
): Int32Array | null {
  if (text === "") return new Int32Array();
  const whole = Buffer.from(text, "utf8");
  const spells = (tokens: Int32Array) => vocabulary.textBytes(tokens).equals(whole);
  const tokens = vocabulary.tokenize(text);
  if (spells(tokens)) return tokens;
  // Some vocabularies put a space before what they take for a document.
  const line = vocabulary.tokenize(`\n${text}`);
  for (let from = 1; from < line.length; from++) {
    const rest = line.subarray(from);
    if (spells(rest)) return rest;
  }
  return null;
}
