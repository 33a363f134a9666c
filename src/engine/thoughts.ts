/**
 * Thoughts in a text: where they are, what they say, and which tokens the policy forces to end them.
 * All of it is a function of the text's tokens. `native/decode/thoughts.cc` computes the same while it
 * draws: what one forces and the other doesn't would have probability 0.
 */
import type { Vocabulary } from "./vocabulary.js";

/** How thoughts are told apart, and when they end. */
export interface ThoughtRules {
  /** The opening tag; not empty. */
  start: string;
  /** Any of these texts ends a thought; none is empty. */
  ends: readonly string[];
  /** Whether a tag opens thoughts wherever it stands, not only where the text begins. */
  opensAnywhere: boolean;
  /** Whether the prompt has opened a thought. */
  beginsInside: boolean;
  /** Tokens that all thoughts of a text may have together; null: any number. */
  budget: number | null;
  /** Whether a window of tokens that is repeated ends thoughts as the budget does. */
  cutsLoops: boolean;
  /** Whether texts end where their thoughts would be ended. */
  stops: boolean;
  /** The tokens that are forced to end thoughts: the template's closing tag. */
  closing: Int32Array;
  /**
   * Whether a constraint reads the answer, which then begins behind the token that closes the thoughts
   * and has its blanks. The prompt has opened the thoughts, and nothing else does. Default false.
   */
  isConstrained?: boolean;
}

/** The longest window of tokens whose repetition is noticed. */
const LOOP_WINDOW = 128;
/** A window of w tokens is a loop once it fills the last max(LOOP_TOKENS, LOOP_REPEATS w) tokens. */
export const LOOP_TOKENS = 64;
const LOOP_REPEATS = 4;

/** Finds windows of tokens that are repeated. */
class LoopWatch {
  /** For each distance, how many of the last tokens are as the token so far back. */
  readonly #equal = new Int32Array(LOOP_WINDOW);
  readonly #tokens: number[] = [];
  isLoop = false;

  add(token: number): void {
    const count = this.#tokens.length;
    for (let distance = 1; distance <= Math.min(count, LOOP_WINDOW); distance++) {
      const isEqual = this.#tokens[count - distance] === token;
      const equal = isEqual ? (this.#equal[distance - 1] as number) + 1 : 0;
      this.#equal[distance - 1] = equal;
      const repeated = Math.max(LOOP_TOKENS, LOOP_REPEATS * distance);
      this.isLoop ||= equal + distance >= repeated;
    }
    this.#tokens.push(token);
  }
}

/** What is in a text, as far as it goes. */
export interface ThoughtfulText {
  /** Bytes of the answer, from its first letter on where thoughts stand before it. */
  answer: Buffer;
  /** Null: the text has none. */
  thoughts: string | null;
  /** Tokens of thoughts, without tags. */
  spent: number;
  /** Whether the text ends inside a thought. */
  isOpen: boolean;
  /** Why thoughts ended before the model ended them. */
  ended: "budget" | "loop" | null;
}

type Place = "before" | "inside" | "answer";

const BLANK = /^[ \t\r\n]*/;
/** Strings of bytes, one a character: tags are found in bytes, and tokens may end within a letter. */
const bytes = (text: string) => Buffer.from(text, "utf8").toString("latin1");
const letters = (text: string) => Buffer.from(text, "latin1").toString("utf8");

/** Follows one text, token by token. */
export class ThoughtReader {
  readonly #vocabulary: Pick<Vocabulary, "textBytes">;
  readonly #rules: ThoughtRules;
  readonly #start: string;
  readonly #ends: string[];
  #place: Place;
  #tail = "";
  #spent = 0;
  #forced = 0;
  #loop = new LoopWatch();
  #ended: ThoughtfulText["ended"] = null;
  /** The whole text, special tokens written out, and where answers and thoughts stand in it. */
  #text = "";
  readonly #pieces: { isThought: boolean; from: number; to: number }[] = [];
  #from = 0;
  readonly #specials: { from: number; to: number }[] = [];

  constructor(vocabulary: Pick<Vocabulary, "textBytes">, rules: ThoughtRules) {
    this.#vocabulary = vocabulary;
    this.#rules = rules;
    this.#start = bytes(rules.start);
    this.#ends = rules.ends.map(bytes);
    this.#place = rules.beginsInside ? "inside" : "before";
  }

  get place(): Place {
    return this.#place;
  }

  /** Whether the next token is the answer's, with all of the closing tag behind. */
  get isInAnswer(): boolean {
    return this.#place === "answer" && this.#forced === 0;
  }

  /** The token that comes next, where the policy leaves one alone; else null. */
  get forced(): number | null {
    const { stops, closing } = this.#rules;
    if (stops || (this.#forced === 0 && !this.#isSpent)) return null;
    return closing[this.#forced] as number;
  }

  /** Whether the text ends here, for its thoughts have no budget left. */
  get stops(): boolean {
    return this.#rules.stops && this.#isSpent;
  }

  get #isSpent(): boolean {
    const { budget } = this.#rules;
    if (this.#place !== "inside") return false;
    return (budget !== null && this.#spent >= budget) || this.#loop.isLoop;
  }

  add(token: number): void {
    const isForced = this.forced === token;
    if (isForced && this.#forced === 0) this.#ended = this.#loop.isLoop ? "loop" : "budget";
    const wasInside = this.#place === "inside";
    const wasInAnswer = this.isInAnswer;
    this.#append(token);
    this.#read();
    // The token that completes a tag is none of the thought's.
    if (wasInside && !isForced && this.place === "inside") {
      this.#spent += 1;
      if (this.#rules.cutsLoops) this.#loop.add(token);
    }
    if (this.stops) this.#ended = this.#loop.isLoop ? "loop" : "budget";
    this.#forced = isForced ? this.#forced + 1 : 0;
    if (this.#forced >= this.#rules.closing.length) {
      this.#forced = 0;
      // The closing is a tag, unless the vocabulary spells it in another way.
      if (this.#place === "inside") this.#leave("answer", this.#text.length, this.#text.length);
    }
    const isClosed = this.#place === "answer" && !wasInAnswer;
    if (this.#rules.isConstrained && isClosed) this.#from = this.#text.length;
  }

  #append(token: number): void {
    const id = Int32Array.of(token);
    const piece = this.#vocabulary.textBytes(id, { special: true }).toString("latin1");
    if (piece.length > 0 && this.#vocabulary.textBytes(id).length === 0) {
      this.#specials.push({ from: this.#text.length, to: this.#text.length + piece.length });
    }
    this.#text += piece;
    this.#tail += piece;
  }

  /** Takes the tags that stand in the tail. */
  #read(): void {
    let hasFound = true;
    while (hasFound) hasFound = this.#place === "inside" ? this.#readEnd() : this.#readStart();
  }

  get #tailAt(): number {
    return this.#text.length - this.#tail.length;
  }

  /** Whether an end of the thought was found. */
  #readEnd(): boolean {
    const found = this.#ends
      .map((end) => ({ end, at: this.#tail.indexOf(end) }))
      .filter(({ at }) => at >= 0);
    if (found.length === 0) {
      this.#cutTo(Math.max(...this.#ends.map((end) => end.length)));
      return false;
    }
    const { end, at } = found.reduce((a, b) => (b.at < a.at ? b : a));
    // What ends a thought and isn't its closing tag begins something else, such as a tool call.
    const isClosing = end.trim() === this.#ends[0]?.trim();
    const from = this.#tailAt + at;
    this.#leave("answer", from, from + (isClosing ? end.length : 0));
    this.#tail = this.#tail.slice(at + end.length);
    this.#loop = new LoopWatch();
    return true;
  }

  /** Whether an opening tag was found. */
  #readStart(): boolean {
    const { opensAnywhere } = this.#rules;
    const skipped = opensAnywhere ? 0 : (BLANK.exec(this.#tail)?.[0].length ?? 0);
    const rest = this.#tail.slice(skipped);
    const isAtStart = this.#place === "before" && rest.startsWith(this.#start);
    const at = opensAnywhere ? rest.indexOf(this.#start) : isAtStart ? 0 : -1;
    if (at >= 0) {
      const from = this.#tailAt + skipped + at;
      this.#leave("inside", from, from + this.#start.length);
      this.#tail = rest.slice(at + this.#start.length);
      return true;
    }
    const mayOpen = rest.trim() === "" || this.#start.startsWith(rest);
    if (this.#place === "before" && !mayOpen) this.#place = "answer";
    if (opensAnywhere) this.#cutTo(this.#start.length);
    else this.#tail = this.#place === "answer" ? "" : rest;
    return false;
  }

  /** Leaves what a string of `size` bytes may have begun in. */
  #cutTo(size: number): void {
    if (this.#tail.length >= size) this.#tail = this.#tail.slice(this.#tail.length - size + 1);
  }

  /** Goes on to another place: what stood before ends at `to`, and what follows begins at `next`. */
  #leave(place: Place, to: number, next: number): void {
    this.#pieces.push({ isThought: this.#place === "inside", from: this.#from, to });
    this.#from = next;
    this.#place = place;
  }

  text(): ThoughtfulText {
    const isOpen = this.#place === "inside";
    const { answer, thoughts } = this.#readTo(this.#text.length);
    return { answer, thoughts, spent: this.#spent, isOpen, ended: this.#ended };
  }

  /** What no token that follows can take away; an answer in a channel is known at its end alone. */
  certain(): Pick<ThoughtfulText, "answer" | "thoughts"> {
    const { start, opensAnywhere } = this.#rules;
    const isInside = this.#place === "inside";
    const tags = isInside ? this.#ends : opensAnywhere ? [this.#start] : [];
    const begun = Math.max(0, ...tags.map((tag) => begunLength(this.#tail, tag)));
    const { answer, thoughts } = this.#readTo(this.#text.length - begun);
    // Blanks before the first thought are none of the answer's.
    const mayLoseBlanks = opensAnywhere && thoughts === null && /^\s/.test(answer.toString());
    const isUnknown = this.#place === "before" || isChannel(start) || mayLoseBlanks;
    return { answer: isUnknown ? Buffer.alloc(0) : answer, thoughts };
  }

  #readTo(end: number): Pick<ThoughtfulText, "answer" | "thoughts"> {
    const last = { isThought: this.#place === "inside", from: this.#from, to: end };
    const pieces = [...this.#pieces, last];
    const of = (isThought: boolean) =>
      pieces
        .filter((piece) => piece.isThought === isThought)
        .map(({ from, to }) => this.#withoutSpecials(from, to));
    const thoughts = of(true).map((piece) => letters(piece).trim());
    const hasThoughts = pieces.some((piece) => piece.isThought);
    const { isConstrained } = this.#rules;
    const all = of(false).join("");
    const answer = isConstrained ? all : withoutHeaders(all, this.#start);
    const isTrimmed = hasThoughts && !isConstrained;
    return {
      answer: Buffer.from(isTrimmed ? answer.trimStart() : answer, "latin1"),
      thoughts: hasThoughts ? thoughts.filter((piece) => piece !== "").join("\n\n") : null,
    };
  }

  /** Harmony's are needed as far as its headers. */
  #withoutSpecials(from: number, to: number): string {
    if (isChannel(this.#start) && !this.#rules.isConstrained) return this.#text.slice(from, to);
    let text = "";
    let at = from;
    for (const special of this.#specials) {
      if (special.to <= from || special.from >= to) continue;
      text += this.#text.slice(at, Math.max(at, special.from));
      at = Math.min(to, special.to);
    }
    return text + this.#text.slice(at, to);
  }
}

/** How much of the text's end is a beginning of the tag. */
export function begunLength(text: string, tag: string): number {
  let length = Math.min(tag.length - 1, text.length);
  while (length > 0 && !text.endsWith(tag.slice(0, length))) length--;
  return Math.max(0, length);
}

/** Whether thoughts are messages in a channel of their own, as in OpenAI's harmony. */
export function isChannel(start: string): boolean {
  return start.startsWith("<|channel|>") && start.endsWith("<|message|>");
}

/** An answer in a channel, without the names of channels and roles. */
function withoutHeaders(text: string, start: string): string {
  if (!isChannel(start)) return text;
  return text
    .replace(/(<\|start\|>[^<]*)?<\|channel\|>[^<]*<\|message\|>/g, "")
    .replace(/<\|(start|end|return|call|channel|message|constrain)\|>/g, "");
}
