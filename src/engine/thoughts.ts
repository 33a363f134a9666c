/**
 * Finds the thoughts in a text, and the tokens that the policy forces to end them. The result depends
 * only on the text's tokens. `native/decode/thoughts.cc` computes the same while it draws. Both must
 * agree: a token that only one of them forces would have probability 0 under the other.
 */
import type { Vocabulary } from "./vocabulary.js";

/** How thoughts are recognized, and when they are ended. */
export interface ThoughtRules {
  /** The opening tag. It is not empty. */
  start: string;
  /** Each of these texts ends a thought. The first is the closing tag. None is empty. */
  ends: readonly string[];
  /** Whether a tag opens a thought anywhere in the text, not only at its beginning. */
  opensAnywhere: boolean;
  /** Whether the prompt has opened a thought. */
  beginsInside: boolean;
  /** Limit of the tokens of all thoughts of a text together; null for no limit. */
  budget: number | null;
  /** Whether a repeated window of tokens ends a thought, as the end of the budget does. */
  cutsLoops: boolean;
  /** Whether the whole text ends at a budget's end or a loop, instead of only the thought. */
  stops: boolean;
  /** The tokens that are forced to end thoughts: the template's closing tag. */
  closing: Int32Array;
  /**
   * Whether a constraint reads the answer. Then the prompt has opened the only thought. The answer
   * begins right after the token that closes it, and keeps its white space. Default false.
   */
  isConstrained?: boolean;
}

/** Length of the longest window of tokens whose repetition is detected. */
const LOOP_WINDOW = 128;
/** A window of w tokens is a loop once it fills the last max(LOOP_TOKENS, LOOP_REPEATS w) tokens. */
export const LOOP_TOKENS = 64;
const LOOP_REPEATS = 4;

/** Detects repeated windows of tokens. */
class LoopWatch {
  /** For each distance d, how many of the last tokens in a row equal the token d places before them. */
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

/** The answer and the thoughts of a text, which may be unfinished. */
export interface ThoughtfulText {
  /** Bytes of the answer. White space at its beginning is removed if thoughts come before it. */
  answer: Buffer;
  /** The text of all thoughts; null if there are none. */
  thoughts: string | null;
  /** The number of tokens of all thoughts, without the tags. */
  spent: number;
  /** Whether the text ends inside a thought. */
  isOpen: boolean;
  /** Why the thoughts were ended before the model ended them; null if they weren't. */
  ended: "budget" | "loop" | null;
}

type Place = "before" | "inside" | "answer";

const BLANK = /^[ \t\r\n]*/;
/** Converts a text to a string with one character per byte. A token may end inside a UTF-8 character. */
const bytes = (text: string) => Buffer.from(text, "utf8").toString("latin1");
const letters = (text: string) => Buffer.from(text, "latin1").toString("utf8");

/** Reads one text token by token, and tracks whether it is inside a thought. */
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
  /** The whole text with special tokens written out. `#pieces` are its finished answers and thoughts. */
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

  /** Whether the next token belongs to the answer: the closing tag is complete. */
  get isInAnswer(): boolean {
    return this.#place === "answer" && this.#forced === 0;
  }

  /** The next token if the policy forces one; otherwise null. */
  get forced(): number | null {
    const { stops, closing } = this.#rules;
    if (stops || (this.#forced === 0 && !this.#isSpent)) return null;
    return closing[this.#forced] as number;
  }

  /** Whether the text ends here because its thoughts have used up their budget, or loop. */
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
    // The token that completes a tag doesn't count as a token of the thought.
    if (wasInside && !isForced && this.place === "inside") {
      this.#spent += 1;
      if (this.#rules.cutsLoops) this.#loop.add(token);
    }
    if (this.stops) this.#ended = this.#loop.isLoop ? "loop" : "budget";
    this.#forced = isForced ? this.#forced + 1 : 0;
    if (this.#forced >= this.#rules.closing.length) {
      this.#forced = 0;
      // The forced tokens normally contain a tag that #read has found. If not, leave the thought here.
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

  /** Consumes all complete tags in the tail. */
  #read(): void {
    let hasFound = true;
    while (hasFound) hasFound = this.#place === "inside" ? this.#readEnd() : this.#readStart();
  }

  get #tailAt(): number {
    return this.#text.length - this.#tail.length;
  }

  /** Consumes the first end of the thought in the tail. Returns whether there is one. */
  #readEnd(): boolean {
    const found = this.#ends
      .map((end) => ({ end, at: this.#tail.indexOf(end) }))
      .filter(({ at }) => at >= 0);
    if (found.length === 0) {
      this.#cutTo(Math.max(...this.#ends.map((end) => end.length)));
      return false;
    }
    const { end, at } = found.reduce((a, b) => (b.at < a.at ? b : a));
    // An end that isn't the closing tag begins something else, such as a tool call, and stays text.
    const isClosing = end.trim() === this.#ends[0]?.trim();
    const from = this.#tailAt + at;
    this.#leave("answer", from, from + (isClosing ? end.length : 0));
    this.#tail = this.#tail.slice(at + end.length);
    this.#loop = new LoopWatch();
    return true;
  }

  /** Consumes an opening tag in the tail. Returns whether there is one. */
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

  /** Shortens the tail to the last `size` - 1 bytes, in which a tag of `size` bytes may have begun. */
  #cutTo(size: number): void {
    if (this.#tail.length >= size) this.#tail = this.#tail.slice(this.#tail.length - size + 1);
  }

  /** Moves to another place. The current piece ends at byte `to`, and the next one begins at `next`. */
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

  /**
   * The part of answer and thoughts that no further token can change. An answer in a channel is
   * certain only at its end, so it is empty here.
   */
  certain(): Pick<ThoughtfulText, "answer" | "thoughts"> {
    const { start, opensAnywhere } = this.#rules;
    const isInside = this.#place === "inside";
    const tags = isInside ? this.#ends : opensAnywhere ? [this.#start] : [];
    const begun = Math.max(0, ...tags.map((tag) => begunLength(this.#tail, tag)));
    const { answer, thoughts } = this.#readTo(this.#text.length - begun);
    // White space before the first thought doesn't belong to the answer.
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

  /** Removes special tokens. Those of harmony stay: `withoutHeaders` needs them to find the headers. */
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

/** Length of the longest end of the text that is a proper prefix of the tag. */
export function begunLength(text: string, tag: string): number {
  let length = Math.min(tag.length - 1, text.length);
  while (length > 0 && !text.endsWith(tag.slice(0, length))) length--;
  return Math.max(0, length);
}

/** Whether thoughts are messages in their own channel, as in OpenAI's harmony format. */
export function isChannel(start: string): boolean {
  return start.startsWith("<|channel|>") && start.endsWith("<|message|>");
}

/** Removes the names of channels and roles from an answer in a channel. */
function withoutHeaders(text: string, start: string): string {
  if (!isChannel(start)) return text;
  return text
    .replace(/(<\|start\|>[^<]*)?<\|channel\|>[^<]*<\|message\|>/g, "")
    .replace(/<\|(start|end|return|call|channel|message|constrain)\|>/g, "");
}
