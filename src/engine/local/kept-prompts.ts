/**
 * Prompts that were read, kept in memory for later runs whose prompts begin alike. All models of the
 * process share one allowance. What is kept counts as free in every plan, and makes way when a
 * context needs its memory.
 */
import { codeOf } from "../errors.js";
import type { NativeContext, SavedSequence, SequenceHandle } from "./native-context.js";

/** Share of the free memory that kept prompts may take. */
const SHARE = 0.25;
/** Share of the free memory that a plan lets contexts take. */
const PLANNED_SHARE = 0.8;
/** Tokens that a part of a kept prompt has to have: prompts of one template begin alike anyway. */
const LEAST_PART = 32;

/** What reads prompts. */
interface Reader {
  context: NativeContext;
  /** How it computes attention: what others have read would be gone on from in another way. */
  way: string;
  cells: number;
}

interface KeptPrompt extends Pick<Reader, "way"> {
  owner: ModelPrompts;
  tokens: Int32Array;
  saved: SavedSequence;
  bytes: number;
}

/** Those of all models, the least recently used first. */
let all: readonly KeptPrompt[] = [];

/** Bytes of the prompts that are kept, which may be had at any time. */
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

/** What the prompts of one model depend on. */
interface PromptModel {
  /** Whether its texts can be cut back to any length. */
  cuts: boolean;
  /** What a kept prompt takes. */
  bytesOf(tokens: number): number;
  /** Bytes that contexts and prompts may have; those of kept prompts are among them. */
  available(): number;
}

/** The prompts of one model. */
export class ModelPrompts implements Disposable {
  readonly #model: PromptModel;
  #isDisposed = false;

  constructor(model: PromptModel) {
    this.#model = model;
  }

  /**
   * A new sequence with the longest kept beginning of a prompt for which there are cells; null: none
   * is worth it, or the engine doesn't take it over.
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

  /** Keeps the prompt that a sequence holds, if it isn't kept yet and there is memory for it. */
  async keep({ context, way }: Reader, prompt: Int32Array, handle: SequenceHandle): Promise<void> {
    const known = this.#find(way, prompt);
    if (known !== undefined) return use(known);
    const most = SHARE * this.#model.available();
    const needed = this.#model.bytesOf(prompt.length);
    if (needed > most) return;
    shrinkTo(most - needed);
    const saved = await context.save(handle);
    // A run beside may have kept it meanwhile.
    if (this.#isDisposed || this.#find(way, prompt) !== undefined) return saved.free();
    // A prompt that goes on from a kept one has all of it.
    if (this.#model.cuts) {
      const begins = ({ tokens }: KeptPrompt) => sharedLength(tokens, prompt) === tokens.length;
      drop(this.#own(way).filter(begins));
    }
    const tokens = prompt.slice();
    all = [...all, { owner: this, way, tokens, saved, bytes: saved.bytes() }];
  }

  /** Lets go of prompts, of any model, until a context of this many bytes fits as it was planned. */
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
   * How many tokens of a kept prompt serve another one. All of it ends with the distribution of the
   * next token; a part lacks that, so at least one token is left to be read.
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
