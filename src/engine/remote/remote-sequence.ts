/** A text that a server continues: its tokens, and what is known of how the server reads it. */
import { LlamaEtsError } from "../errors.js";
import type { Sequence } from "../sequences.js";

/** Counts its sequences. */
interface Owner {
  own(tokens: readonly number[], from: RemoteSequence | null, isSafe: boolean): RemoteSequence;
  forked(): void;
  freed(): void;
}

export class RemoteSequence implements Sequence {
  readonly #owner: Owner;
  #tokens: number[];
  /** Tokens of its text by the server's count; null: it hasn't read it. */
  #counted: number | null = null;
  /** The text that it goes on from, and the tokens that it has beyond it; null: it isn't known. */
  #from: { sequence: RemoteSequence; added: number } | null;
  /** Whether its text, tokenised again, has the tokens that were drawn. */
  #isSafe: boolean;
  #isDisposed = false;

  constructor(
    owner: Owner,
    tokens: readonly number[],
    from: RemoteSequence | null,
    isSafe: boolean,
  ) {
    this.#owner = owner;
    this.#tokens = [...tokens];
    this.#isSafe = isSafe && (from === null || from.#isSafe);
    this.#from = from && { sequence: from, added: tokens.length - from.#tokens.length };
  }

  /** Throws `ERR_DISPOSED`. */
  get tokens(): readonly number[] {
    if (!this.#isDisposed) return this.#tokens;
    throw new LlamaEtsError("ERR_DISPOSED", "The sequence was disposed");
  }

  /**
   * Whether the server, which has read its text for the first time, may have read other tokens than
   * those that were drawn.
   *
   * @param count the tokens that it has read; 0: it doesn't say
   */
  changedAsRead(count: number): boolean {
    if (this.#counted !== null) return false;
    this.#counted = count;
    if (!this.#isSafe) return true;
    const expected = this.#expected();
    // What the server doesn't count can't be compared.
    return expected !== null && (count === 0 || count !== expected);
  }

  /** Its tokens by the server's count of what it goes on from; null: none of that was read. */
  #expected(): number | null {
    if (this.#from === null) return null;
    const { sequence, added } = this.#from;
    const before = sequence.#counted ?? sequence.#expected();
    return before === null ? null : before + added;
  }

  async prefill(tokens: Int32Array): Promise<void> {
    this.#tokens = [...this.tokens, ...tokens];
    this.#counted = null;
    if (this.#from !== null) this.#from.added += tokens.length;
  }

  async fork(): Promise<RemoteSequence> {
    this.#owner.forked();
    const fork = this.#owner.own(this.tokens, this, true);
    fork.#counted = this.#counted;
    return fork;
  }

  async truncate(length: number): Promise<void> {
    if (length === this.tokens.length) return;
    this.#tokens = this.tokens.slice(0, length);
    this.#counted = null;
    this.#from = null;
    this.#isSafe = false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    this.#owner.freed();
  }
}

/** Throws `ERR_INVALID_ARGUMENT` for a sequence of another engine. */
export function read(sequence: Sequence): RemoteSequence {
  if (sequence instanceof RemoteSequence) return sequence;
  throw new LlamaEtsError("ERR_INVALID_ARGUMENT", "Expected a sequence of this engine");
}
