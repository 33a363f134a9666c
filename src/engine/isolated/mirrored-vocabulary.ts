/** The app's copy of those tokens of an engine's vocabulary that it knows already. They need no call. */
import { LlamaEtsError } from "../errors.js";
import type { PackedBytes, PackedEntries } from "./protocol.js";

/** What the engine's process has sent about one token. */
interface Entry {
  text: string;
  isEnd: boolean;
  plain: Uint8Array;
  special: Uint8Array;
}

/** Ids that are requested together with one of them, because a caller may walk through all ids. */
const CHUNK = 512;

export class MirroredVocabulary {
  readonly #size: number;
  readonly #ask: (tokens: Int32Array) => PackedEntries;
  readonly #entries = new Map<number, Entry>();

  /** @param ask requests the entries of tokens from the engine's process, synchronously */
  constructor(size: number, ask: (tokens: Int32Array) => PackedEntries) {
    this.#size = size;
    this.#ask = ask;
  }

  /** The entry of a token. Throws `ERR_INVALID_ARGUMENT` if there is no such token. */
  entry(token: number): Entry {
    const known = this.#entries.get(token);
    if (known !== undefined) return known;
    this.#check(token);
    const first = token - (token % CHUNK);
    const length = Math.min(CHUNK, this.#size - first);
    this.learn(this.#ask(Int32Array.from({ length }, (_, i) => first + i)));
    return this.#entries.get(token) as Entry;
  }

  /** The joined bytes of tokens. Throws `ERR_INVALID_ARGUMENT` if one of them doesn't exist. */
  bytes(tokens: Int32Array, way: "plain" | "special"): Buffer {
    const isNew = (token: number) => !this.#entries.has(token);
    const unknown = [...new Set(tokens.filter(isNew))];
    if (unknown.length > 1) {
      for (const token of unknown) this.#check(token);
      this.learn(this.#ask(Int32Array.from(unknown)));
    }
    return Buffer.concat(Array.from(tokens, (token) => this.entry(token)[way]));
  }

  learn({ tokens, texts, ends, ...packed }: PackedEntries): void {
    const [plain, special] = [pieces(packed.plain), pieces(packed.special)];
    tokens.forEach((token, i) => {
      this.#entries.set(token, {
        text: texts[i] as string,
        isEnd: ends[i] as boolean,
        plain: plain[i] as Uint8Array,
        special: special[i] as Uint8Array,
      });
    });
  }

  #check(token: number): void {
    if (Number.isInteger(token) && token >= 0 && token < this.#size) return;
    throw new LlamaEtsError(
      "ERR_INVALID_ARGUMENT",
      `Expected \`token\` to be an integer from 0 to ${this.#size - 1}, got ${token}`,
    );
  }
}

function pieces({ bytes, lengths }: PackedBytes): Uint8Array[] {
  let end = 0;
  return Array.from(lengths, (length) => {
    end += length;
    return bytes.subarray(end - length, end);
  });
}
