/**
 * Keeps the text of a special token plain text if a chat message contains it. Otherwise the author of
 * a message could end the message and speak for another role.
 *
 * To distinguish special tokens of the template from those in messages, marks are put around the
 * latter before the template is rendered. A template may cut a message anywhere, also within the
 * marks. So each special text has its own opening mark and its own closing mark. A special text with
 * one of its own marks on either side came from a message. A mark beside any other text means nothing.
 */
import { LlamaEtsError } from "./errors.js";
import { type Occurrence, SpecialText } from "./special-text.js";
import type { Vocabulary } from "./vocabulary.js";

/** Unicode's private-use planes, which supply the marks. Their last two code points are no characters. */
const PLANES = [0xf0000, 0x100000];
const PLANE_SIZE = 0xfffe;

/** The marks around one special text. */
interface Marks {
  open: string;
  close: string;
}

/** A text as the model reads it. */
export interface ReadText {
  tokens: Int32Array;
  text: string;
  /** The special tokens in the text. A special token's text at any other place is plain text. */
  specials: readonly Occurrence[];
}

/** A text without marks. `isLiteral` says that a special text came from a message, not the template. */
interface Read {
  text: string;
  occurrences: (Occurrence & { isLiteral: boolean })[];
}

/** Puts marks around texts that must stay plain text, and converts marked texts to tokens. */
export class LiteralText {
  readonly #specials: SpecialText;
  readonly #unused: Iterator<string>;
  /** The marks by special text. Those of "" stand at a message's edge that may become part of one. */
  readonly #marks = new Map<string, Marks>();

  /** @param texts all texts that can be rendered, or their JSON; the marks are characters not in them */
  constructor(vocabulary: Vocabulary, texts: readonly string[]) {
    this.#specials = new SpecialText(vocabulary);
    this.#unused = unusedCharacters(texts);
  }

  /** Whether anything was marked. */
  get hasMarks(): boolean {
    return this.#marks.size > 0;
  }

  /** Returns the content with marks around the text of each special token. */
  protect(content: string): string {
    let marked = "";
    let from = 0;
    for (const { start, end, special } of this.#specials.find(content)) {
      const { open, close } = this.#marksOf(special.text);
      marked += `${content.slice(from, start)}${open}${special.text}${close}`;
      from = end;
    }
    marked += content.slice(from);
    const { before, behind } = this.#specials.mayJoin(content);
    if (before) marked = this.#marksOf("").open + marked;
    return behind ? marked + this.#marksOf("").close : marked;
  }

  /**
   * Converts a rendered text with marks to tokens, and removes the marks.
   *
   * @param plain the same text, rendered without marks. It is preferred if it differs only in white
   *   space: a template may not have trimmed white space beside a mark
   */
  read(marked: string, plain = this.#strip(marked).text): ReadText {
    const { text, occurrences } = this.#strip(marked);
    const found = this.#specials.find(plain);
    const isSame =
      withoutSpace(plain) === withoutSpace(text) &&
      found.length === occurrences.length &&
      found.every(({ special }, i) => special === occurrences[i]?.special);
    const [shown, specials] = isSame ? [plain, found] : [text, occurrences];
    const own = specials.filter((_, i) => occurrences[i]?.isLiteral === false);
    return { tokens: Int32Array.from(this.#specials.read(shown, own)), text: shown, specials: own };
  }

  #marksOf(special: string): Marks {
    const known = this.#marks.get(special);
    if (known !== undefined) return known;
    const marks = { open: this.#nextMark(), close: this.#nextMark() };
    this.#marks.set(special, marks);
    return marks;
  }

  #nextMark(): string {
    const { done, value } = this.#unused.next();
    if (done !== true) return value;
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      "The prompt uses all of Unicode's private planes",
    );
  }

  /** Removes the marks, and finds the special texts with and without marks. */
  #strip(marked: string): Read {
    const all = new Set([...this.#marks.values()].flatMap(({ open, close }) => [open, close]));
    /** The marks at each place of the text without marks. */
    const places = new Map<number, string[]>();
    let text = "";
    for (const character of unescaped(marked, all)) {
      const here = places.get(text.length) ?? [];
      if (all.has(character)) places.set(text.length, [...here, character]);
      else text += character;
    }
    const isMarked = (at: number, mark: string | undefined) =>
      mark !== undefined && places.get(at)?.includes(mark) === true;
    const occurrences = this.#specials.find(text).map((one) => {
      const own = this.#marks.get(one.special.text);
      const isBeside = isMarked(one.start, own?.open) || isMarked(one.end, own?.close);
      const inner = Array.from({ length: one.end - one.start - 1 }, (_, i) => one.start + 1 + i);
      const isBroken = inner.some((at) => places.has(at));
      return { ...one, isLiteral: isBeside || isBroken };
    });
    return { text, occurrences };
  }
}

function withoutSpace(text: string): string {
  return text.replace(/\s+/g, "");
}

/** A character beyond the first plane, as ASCII JSON escapes it. */
const ESCAPED = /\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})/gi;

/** Undoes the JSON escapes of marks. A template may have written them in JSON. */
function unescaped(text: string, marks: ReadonlySet<string>): string {
  return text.replace(ESCAPED, (escaped, ...halves: string[]) => {
    const character = characterOf(halves);
    return marks.has(character) ? character : escaped;
  });
}

function characterOf([high = "", low = ""]: readonly string[]): string {
  return String.fromCharCode(Number.parseInt(high, 16), Number.parseInt(low, 16));
}

function* unusedCharacters(texts: readonly string[]): Generator<string> {
  const escaped = texts.flatMap((text) => [...text.matchAll(ESCAPED)]);
  const used = new Set(texts.flatMap((text) => [...text]));
  for (const [, ...halves] of escaped) used.add(characterOf(halves));
  for (const plane of PLANES) {
    for (let i = 0; i < PLANE_SIZE; i++) {
      const character = String.fromCodePoint(plane + i);
      if (!used.has(character)) yield character;
    }
  }
}
