/** A text that a server continues: its tokens, and how many tokens the server has counted in it. */
import { LlamaEtsError } from "../errors.js";
import type { Sequence } from "../sequences.js";

/** The context, which counts its sequences and forks. */
interface Owner {
  own(tokens: readonly number[], from: RemoteSequence | null, isSafe: boolean): RemoteSequence;
  forked(): void;
  freed(): void;
}

export class RemoteSequence implements Sequence {
  readonly #owner: Owner;
  #tokens: number[];
  /** The number of the text's tokens by the server's count; null if the server hasn't read the text. */
  #counted: number | null = null;
  /** The sequence that it extends, and its number of tokens after that; null if there is none. */
  #from: { sequence: RemoteSequence; added: number } | null;
  /** Whether tokenizing the text again is expected to give the drawn tokens. */
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
   * Records that the server has read the text. Returns whether it may have split the text into other
   * tokens than the drawn ones; false if it had read the text before.
   *
   * @param count the tokens that the server has counted; 0 if it doesn't report them
   */
  changedAsRead(count: number): boolean {
    if (this.#counted !== null) return false;
    this.#counted = count;
    if (!this.#isSafe) return true;
    const expected = this.#expected();
    // Without the server's count there is nothing to compare, so the tokens may have changed.
    return expected !== null && (count === 0 || count !== expected);
  }

  /** The expected count, from the server's count of the text that it extends; null if there is none. */
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

/** Narrows a sequence to this engine's. Throws `ERR_INVALID_ARGUMENT` for one of another engine. */
export function read(sequence: Sequence): RemoteSequence {
  if (sequence instanceof RemoteSequence) return sequence;
  throw new LlamaEtsError("ERR_INVALID_ARGUMENT", "Expected a sequence of this engine");
}
