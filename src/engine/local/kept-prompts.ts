/**
 * A cache of decoded prompts for later runs whose prompts have the same prefix. All models of the
 * process share one memory allowance. Plans count the memory of kept prompts as free, because prompts
 * are dropped when a context needs it.
 */
import { codeOf } from "../errors.js";
import type { NativeContext, SavedSequence, SequenceHandle } from "./native-context.js";

/** The most that kept prompts may take of the free memory. */
const SHARE = 0.25;
/** The most that plans let contexts take of the free memory. */
const PLANNED_SHARE = 0.8;
/** Fewest tokens of a partial prefix worth reusing: prompts of one template always share a few tokens. */
const LEAST_PART = 32;

/** A context that decodes prompts. */
interface Reader {
  context: NativeContext;
  /** Its kind of attention. A prompt is only reused by contexts of the same kind. */
  way: string;
  cells: number;
}

interface KeptPrompt extends Pick<Reader, "way"> {
  owner: ModelPrompts;
  tokens: Int32Array;
  saved: SavedSequence;
  bytes: number;
}

/** The kept prompts of all models, from the least to the most recently used. */
let all: readonly KeptPrompt[] = [];

/** Bytes of all kept prompts, which can be freed at any time. */
export function keptBytes(): number {
  return all.reduce((sum, { bytes }) => sum + bytes, 0);
}

function drop(dropped: readonly KeptPrompt[]): void {
  for (const { saved } of dropped) saved.free();
  all = all.filter((kept) => !dropped.includes(kept));
}

function shrinkTo(most: number): void {
  while (all.length > 0 && keptBytes() > most) drop(all.slice(0, 1));
}

function use(used: KeptPrompt): void {
  all = [...all.filter((kept) => kept !== used), used];
}

/** The properties of a model that its prompt cache needs. */
interface PromptModel {
  /** Whether its texts can be truncated to any length. */
  cuts: boolean;
  /** Bytes that a kept prompt of this many tokens takes. */
  bytesOf(tokens: number): number;
  /** Bytes that contexts and kept prompts may take, including those that kept prompts already take. */
  available(): number;
}

/** The kept prompts of one model. */
export class ModelPrompts implements Disposable {
  readonly #model: PromptModel;
  #isDisposed = false;

  constructor(model: PromptModel) {
    this.#model = model;
  }

  /**
   * Returns a new sequence with the longest kept prefix of a prompt that fits into the reader's cells.
   * Returns null if no kept prefix is long enough to help, or if the engine can't restore it.
   */
  async recall(
    { context, way, cells }: Reader,
    prompt: Int32Array,
  ): Promise<{ handle: SequenceHandle; length: number } | null> {
    let [best, length]: [KeptPrompt | null, number] = [null, 0];
    for (const kept of this.#own(way)) {
      const shared = kept.tokens.length <= cells ? this.#usable(kept.tokens, prompt) : 0;
      if (shared > length) [best, length] = [kept, shared];
    }
    if (best === null) return null;
    use(best);
    try {
      return { handle: await context.restore(best.saved, length), length };
    } catch (error) {
      const code = codeOf(error);
      if (code !== "ERR_ENGINE_FAILED" && code !== "ERR_CONTEXT_FULL") throw error;
      drop([best]);
      return null;
    }
  }

  /** Keeps the prompt that a sequence holds, unless it is kept already or there is too little memory. */
  async keep({ context, way }: Reader, prompt: Int32Array, handle: SequenceHandle): Promise<void> {
    const known = this.#find(way, prompt);
    if (known !== undefined) return use(known);
    const most = SHARE * this.#model.available();
    const needed = this.#model.bytesOf(prompt.length);
    if (needed > most) return;
    shrinkTo(most - needed);
    const saved = await context.save(handle);
    // Another run may have kept it during `save`.
    if (this.#isDisposed || this.#find(way, prompt) !== undefined) return saved.free();
    // A kept prompt that is a prefix of this one is redundant now.
    if (this.#model.cuts) {
      const begins = ({ tokens }: KeptPrompt) => sharedLength(tokens, prompt) === tokens.length;
      drop(this.#own(way).filter(begins));
    }
    const tokens = prompt.slice();
    all = [...all, { owner: this, way, tokens, saved, bytes: saved.bytes() }];
  }

  /** Drops prompts, of any model, until a context of this many bytes fits as its plan assumes. */
  makeRoom(bytes: number): void {
    shrinkTo(this.#model.available() - bytes / PLANNED_SHARE);
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true;
    drop(all.filter(({ owner }) => owner === this));
  }

  #find(way: string, prompt: Int32Array): KeptPrompt | undefined {
    const isSame = ({ tokens }: KeptPrompt) =>
      tokens.length === prompt.length && sharedLength(tokens, prompt) === prompt.length;
    return this.#own(way).find(isSame);
  }

  #own(way: string): KeptPrompt[] {
    return all.filter((kept) => kept.owner === this && kept.way === way);
  }

  /**
   * The number of tokens of a kept prompt that another prompt can reuse. A whole kept prompt comes with
   * the logits of the next token. A part of it doesn't, so at least one token must be left to decode.
   */
  #usable(kept: Int32Array, prompt: Int32Array): number {
    const shared = sharedLength(kept, prompt);
    if (shared === kept.length) return shared;
    const part = Math.min(shared, prompt.length - 1);
    return this.#model.cuts && part >= LEAST_PART ? part : 0;
  }
}

function sharedLength(a: Int32Array, b: Int32Array): number {
  const most = Math.min(a.length, b.length);
  let length = 0;
  while (length < most && a[length] === b[length]) length++;
  return length;
}
