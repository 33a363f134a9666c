/**
 * Special tokens that a chat message spells out: text like any other, or whoever writes a message
 * could end it and speak for another role.
 *
 * Marks in the messages tell the template's special tokens from those in messages. A template may
 * cut a message, marks and all, wherever it likes. So each special text has an opening and a closing
 * mark of its own: what stands between them, or beside one of them, came with a message, and a mark
 * beside any other text means nothing.
 */
import { LlamaEtsError } from "./errors.js";
import { type Occurrence, SpecialText } from "./special-text.js";
import type { Vocabulary } from "./vocabulary.js";

/** Planes of Unicode for private use, without their last two places, which are no characters. */
const PLANES = [0xf0000, 0x100000];
const PLANE_SIZE = 0xfffe;

/** The marks around one special text. */
interface Marks {
  open: string;
  close: string;
}

/** What the model reads. */
export interface ReadText {
  tokens: Int32Array;
  text: string;
  /** Where special tokens stand in the text; what looks like one elsewhere is text. */
  specials: readonly Occurrence[];
}

/** A text in which special tokens of messages were found: those that are not the template's. */
interface Read {
  text: string;
  occurrences: (Occurrence & { isLiteral: boolean })[];
}

/** Marks what has to be read as plain text, and reads texts with such marks. */
export class LiteralText {
  readonly #specials: SpecialText;
  readonly #unused: Iterator<string>;
  /** By special text; the marks of "" stand where a message's end may become one. */
  readonly #marks = new Map<string, Marks>();

  /** For texts such as these: the messages and the template, perhaps as JSON. */
  constructor(vocabulary: Vocabulary, texts: readonly string[]) {
    this.#specials = new SpecialText(vocabulary);
    this.#unused = unusedCharacters(texts);
  }

  /** Whether anything was marked. */
  get hasMarks(): boolean {
    return this.#marks.size > 0;
  }

  /** The content with marks around each special token's text. */
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
   * The tokens of a rendered text with marks, and the text without them.
   *
   * @param plain the same, rendered without marks: white space beside a mark may have stayed there
   *   that a template takes away
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

  /** Takes the marks out. */
  #strip(marked: string): Read {
    const all = new Set([...this.#marks.values()].flatMap(({ open, close }) => [open, close]));
    /** The marks that stood at each place of the text. */
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

/** How JSON in ASCII writes a character beyond the first plane. */
const ESCAPED = /\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})/gi;

/** The text with its marks as they are, where a template wrote them as JSON does. */
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
