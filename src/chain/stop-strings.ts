/** Finds the strings that end a text, in the bytes of its tokens. */
import { LlamaEtsError } from "../engine/errors.js";
import type { Vocabulary } from "../engine/vocabulary.js";

/** A text up to its first stop string. */
interface CutText {
  text: string;
  isStopped: boolean;
}

export class StopStrings {
  readonly #vocabulary: Vocabulary;
  readonly strings: string[];
  readonly #bytes: Buffer[];
  /** The special tokens that stop strings name. They also end a text, although they add no text to it. */
  readonly tokens: Int32Array;

  /** Throws as `specialStops` does. */
  constructor(vocabulary: Vocabulary, strings: readonly string[]) {
    this.#vocabulary = vocabulary;
    this.strings = [...strings];
    this.#bytes = strings.map((stop) => Buffer.from(stop, "utf8"));
    this.tokens = Int32Array.from(specialStops(vocabulary, strings));
  }

  /** The text of tokens that follow a prompt, cut before its first stop string or stop token. */
  cut(tokens: Int32Array | readonly number[]): CutText {
    const ids = Int32Array.from(tokens);
    const bytes = this.#vocabulary.textBytes(ids);
    const cuts = this.#cutsOf(bytes);
    const special = this.tokens.length > 0 ? ids.findIndex((id) => this.tokens.includes(id)) : -1;
    if (special >= 0) cuts.push(this.#vocabulary.textBytes(ids.subarray(0, special)).length);
    return cutAt(bytes, cuts);
  }

  /** Like `cut`, for the bytes of an answer. */
  cutAnswer(bytes: Buffer): CutText {
    return cutAt(bytes, this.#cutsOf(bytes));
  }

  #cutsOf(bytes: Buffer): number[] {
    return this.#bytes.map((stop) => bytes.indexOf(stop)).filter((at) => at >= 0);
  }
}

function cutAt(bytes: Buffer, cuts: readonly number[]): CutText {
  const isStopped = cuts.length > 0;
  return { text: bytes.toString("utf8", 0, isStopped ? Math.min(...cuts) : undefined), isStopped };
}

/** Special tokens with shorter texts are ignored, because a stop string hardly means them. */
const SHORTEST_NAME = 3;

/**
 * The special tokens that stop strings name.
 *
 * @throws LlamaEtsError `ERR_INVALID_OPTION` for a stop string that has other text besides a special
 *   token. Such a string can't be found, because the token adds no text
 */
export function specialStops(vocabulary: Vocabulary, strings: readonly string[]): number[] {
  if (strings.length === 0) return [];
  const specials = new Map(vocabulary.specialTokens().map(({ token, text }) => [text, token]));
  return strings.flatMap((stop) => {
    const named = specials.get(stop);
    if (named !== undefined) return [named];
    for (const text of specials.keys()) {
      if (text.length < SHORTEST_NAME || !stop.includes(text)) continue;
      throw new LlamaEtsError(
        "ERR_INVALID_OPTION",
        `Expected \`stop\` to hold texts or special tokens, got ${JSON.stringify(stop)}, which holds the special token ${text} among other text`,
        { fix: `the stop string ${JSON.stringify(text)}` },
      );
    }
    return [];
  });
}
