/**
 * The tokens that a server has reported. No server reports its whole vocabulary. So a token is known by
 * the bytes that it added to a text, and by the server's id if there is one.
 */
import { LlamaEtsError } from "../errors.js";
import type { SpecialToken, Vocabulary, VocabularyInfo } from "../vocabulary.js";

/** A token as a server reports it. */
export interface Piece {
  /** The server's id; null if it reports none. */
  id: number | null;
  /** The bytes that it adds to the text; empty if they came with a later token. */
  bytes: Buffer;
}

export class RemoteVocabulary implements Vocabulary {
  readonly metadata = {};
  readonly #size: number;
  /** Tokens by this package's ids. */
  readonly #pieces = new Map<number, Piece>();
  readonly #ids = new Map<string, number>();
  readonly #ends = new Set<number>();
  #next: number;

  constructor(
    readonly info: Readonly<VocabularyInfo>,
    hasIds: boolean,
  ) {
    this.#size = hasIds ? info.vocabSize : 0;
    this.#next = this.#size;
  }

  /**
   * This package's id of a token. It is the server's id, except if the token comes with other bytes than
   * the first time, or with no bytes, as inside a character. Then it is a new id.
   */
  idOf(piece: Piece, isEnd = false): number {
    const key = `${piece.id ?? ""}:${piece.bytes.toString("latin1")}${isEnd ? ":end" : ""}`;
    let id = this.#ids.get(key);
    if (id === undefined) {
      const isWhole = piece.bytes.length > 0 || isEnd;
      const isOwn = piece.id !== null && piece.id < this.#size && !this.#pieces.has(piece.id);
      id = isWhole && isOwn ? (piece.id as number) : this.#next++;
      this.#ids.set(key, id);
      this.#pieces.set(id, piece);
    }
    if (isEnd) this.#ends.add(id);
    return id;
  }

  /** A reported token; for an id of the server that was not reported yet, a token without bytes. */
  piece(token: number): Piece {
    const known = this.#pieces.get(token);
    if (known !== undefined) return known;
    if (token >= 0 && token < this.#size) return { id: token, bytes: Buffer.alloc(0) };
    throw new LlamaEtsError(
      "ERR_INVALID_ARGUMENT",
      `Expected a token that the server has returned, got ${token}`,
    );
  }

  textBytes(tokens: Int32Array): Buffer {
    return Buffer.concat(Array.from(tokens, (token) => this.piece(token).bytes));
  }

  detokenize(tokens: Int32Array): string {
    return this.textBytes(tokens).toString("utf8");
  }

  tokenText(token: number): string {
    return this.piece(token).bytes.toString("utf8");
  }

  isEndToken(token: number): boolean {
    return this.#ends.has(token);
  }

  /** Returns none, because servers don't report them. Stop strings are then found as text. */
  specialTokens(): readonly SpecialToken[] {
    return [];
  }

  tokenize(): never {
    throw lacks("A vocabulary");
  }

  firstDifference(): never {
    throw lacks("A vocabulary");
  }
}

/** The error for a feature that the server lacks. */
export function lacks(what: string, fix = "a model that is loaded from a file"): LlamaEtsError {
  return new LlamaEtsError("ERR_UNSUPPORTED_MODEL", `${what} can't be had from this server`, {
    fix,
  });
}

/** The error for a message that contains the text of a special token. */
export function spellsSpecial(): LlamaEtsError {
  return lacks(
    "A message that spells out a special token, and is read as text,",
    "the message without it, or a model that is loaded from a file, which reads it as text",
  );
}
