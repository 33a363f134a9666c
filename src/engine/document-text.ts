/** Converts a document's tokens to its text, without the space that some tokenizers add before it. */
import type { Vocabulary } from "./vocabulary.js";

const SPACE = 0x20;

/** Returns a document's text; with `special`, special tokens are written out. */
export function documentText(vocabulary: Vocabulary, tokens: Int32Array, special: boolean): string {
  const bytes = vocabulary.textBytes(tokens, { special });
  const start = special ? lengthOfOpening(vocabulary, tokens) : 0;
  if (!beginsWithSpace(vocabulary) || bytes[start] !== SPACE) return bytes.toString("utf8");
  return Buffer.concat([bytes.subarray(0, start), bytes.subarray(start + 1)]).toString("utf8");
}

/** Whether the tokenizer adds a space before a document, as SentencePiece does by default. */
function beginsWithSpace({ metadata }: Vocabulary): boolean {
  const kind = metadata["tokenizer.ggml.model"];
  const isSwitched = metadata["tokenizer.ggml.add_space_prefix"];
  return kind === "llama" ? isSwitched !== "false" : kind === "t5" && isSwitched === "true";
}

/** The number of bytes of the special tokens at the document's beginning, if they are written out. */
function lengthOfOpening(vocabulary: Vocabulary, tokens: Int32Array): number {
  const specials = new Set(vocabulary.specialTokens().map(({ token }) => token));
  const first = tokens.findIndex((token) => !specials.has(token));
  const opening = tokens.subarray(0, first < 0 ? tokens.length : first);
  return vocabulary.textBytes(opening, { special: true }).length;
}
