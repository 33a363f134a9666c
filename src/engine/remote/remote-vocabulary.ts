/**
 * The tokens that a server has told of. No server tells its whole vocabulary, so a token is what it
 * added to a text: its bytes, and the server's id where there is one.
 */
import { LlamaEtsError } from "../errors.js";
import type { SpecialToken, Vocabulary, VocabularyInfo } from "../vocabulary.js";

/** A token as a server tells of it. */
export interface Piece {
  /** The server's id; null where it tells none. */
  id: number | null;
  /** What it adds to the text; empty where that came with a later token. */
  bytes: Buffer;
}

export class RemoteVocabulary implements Vocabulary {
  readonly metadata = {};
  readonly #size: number;
  /** By our id. */
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
   * Our id of a token: the server's, unless it is met with other bytes than at first, or with none, as
   * in the middle of a character.
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

  /** A token that was told of, or the server's id as a caller has it. */
  piece(token: number): Piece {
    const known = this.#pieces.get(token);
    if (known !== undefined) return known;
    if (token >= 0 && token < this.#size) return { id: token, bytes: Buffer.alloc(0) };
    throw new LlamaEtsError(
      "ERR_INVALID_ARGUMENT",
      `Expected a token that the server has told of, got ${token}`,
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

  /** None is known: what a stop string names is looked for as text. */
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

/** What is asked of an engine that a server can't give. */
export function lacks(what: string, fix = "a model that is loaded from a file"): LlamaEtsError {
  return new LlamaEtsError("ERR_UNSUPPORTED_MODEL", `${what} can't be had from this server`, {
    fix,
  });
}

export function spellsSpecial(): LlamaEtsError {
  return lacks(
    "A message that spells out a special token, and is read as text,",
    "the message without it, or a model that is loaded from a file, which reads it as text",
  );
}
