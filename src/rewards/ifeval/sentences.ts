/**
 * Splits a text into sentences with the rules of punkt (Kiss and Strunk, 2006) and with its parameters for
 * English: which words with a period are abbreviations, and which words begin sentences. Every pattern
 * takes a time that is linear in the text's length.
 */

/** Python's white space, which differs from JavaScript's `\s`. */
export const SPACE = String.raw`\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000`;

const IS_SPACE = new RegExp(`[${SPACE}]`);

/** The text without white space around it. */
export function strip(text: string): string {
  return stripEnd(text).replace(new RegExp(`^[${SPACE}]+`), "");
}

function stripEnd(text: string): string {
  let end = text.length;
  while (end > 0 && IS_SPACE.test(text[end - 1] as string)) end--;
  return text.slice(0, end);
}

/** The abbreviations of punkt's English parameters. Others are missing there too: "etc." ends a sentence. */
const ABBREVIATIONS = new Set(
  `ct t ms dr pa p st dec lt adm ga tenn yr sen n inc vs feb sr jan col d ft va chg minn k m gen aug okla
   ltd oct s vt ariz ore h mrs cie corp w ok ill nov prof conn mg g calif messrs wash tues sw bros l wis mr
   sep ave co reps c r wed v fla jr rep e ala f sept mich colo fri kan maj ky cos nev
   p.m u.k u.s.a n.c n.y s.p.a r.i n.j n.v a.d u.s u.s.s.r ph.d u.n d.c s.c n.m n.d a.m w.va m.b.a b.v
   m.j a.c n.h p.a.m g.k h.m j.j d.h s.g a.t s.a.y g.f c.o.m.b r.k e.f a.g a.h l.f f.j i.m.s s.a j.p m.d.c
   r.a j.c w.w w.r e.h r.j e.m w.c f.g h.f e.l s.s r.t h.c a.s r.h c.v a.a c.i.t l.a b.f j.b d.w j.k j.r
   l.p g.d a.m.e t.j`.split(/\s+/),
);

/** Words that often begin sentences. With a capital letter after an abbreviation, they begin a new one. */
const STARTERS = new Set(
  `most he since so both these it nevertheless this indeed however instead under similarly some though
   while when in despite although nonetheless thus there if the nor separately moreover but they yet many
   according sales among meanwhile even i`.split(/\s+/),
);

/** Frequent words that punkt knows in lower case, and capitalized only at the start of sentences. */
const SMALL = new Set(
  `so your here yes please thank thanks okay her him them us me very too also always never often sometimes
   just only still again maybe perhaps someone something anyone everyone nothing everything anything
   because until unless whether suddenly finally eventually later soon once upon every each several few
   other others another such same own his their our its said says think thought know knew feel felt`.split(
    /\s+/,
  ),
);

const CLOSING = `["')\\]}‘’“”«»]`;
const NON_WORD = `[)";}\\]*:@'({[‘’“”«»!?]`;
const MULTIPLE = String.raw`-{2,}|\.{2,}|(?:\.[${SPACE}]){2,}\.`;
const ENDS = `(?=[${SPACE}]|$|${NON_WORD}|${MULTIPLE}|,(?=$|[${SPACE}]|${NON_WORD}|${MULTIPLE}))`;
const TOKEN = new RegExp(
  `${MULTIPLE}|(?![("\`{[:;&#*@)}\\],-])[^${SPACE}]+?${ENDS}|[^${SPACE}]`,
  "gu",
);
const CANDIDATE = new RegExp(`[.?!](?=${NON_WORD}|([${SPACE}]+)([^${SPACE}]))`, "gu");
const REALIGNED = new RegExp(`^${CLOSING}+(?:[${SPACE}]+|(?=--)|$)`, "u");

/** The longest run without a space that is examined. Longer runs are not words. */
const LONGEST_WORD = 200;

/** The sentences of a text. */
export function sentencesOf(text: string): string[] {
  const isAlsoSmall = lowerCaseWords(text);
  const slices: [number, number][] = [];
  let from = 0;
  for (const { end, next, context } of candidates(text)) {
    if (!hasBreak(context, isAlsoSmall)) continue;
    slices.push([from, end]);
    from = next;
  }
  slices.push([from, stripEnd(text).length]);
  return realigned(text, slices);
}

/** Recognizes words that the text writes in lower case and never with a capital letter within sentences. */
function lowerCaseWords(text: string): (word: string) => boolean {
  const small = new Set(text.match(/(?<![\p{L}.])\p{Ll}[\p{Ll}'’-]*/gu));
  const large = new Set(
    [...text.matchAll(/[\p{Ll},] (\p{Lu}[\p{Ll}'’-]*)/gu)].map(([, word = ""]) =>
      word.toLowerCase(),
    ),
  );
  return (word) => SMALL.has(word) || (small.has(word) && !large.has(word) && !TITLED.has(word));
}

/** Small words that titles write with capital letters, so their case carries no information. */
const TITLED = new Set(
  `the a he she it we you they this that and but or in on at for to of my what why when where how then if
   as is are was do don first there let one some all with by from about well no now not sure be will`.split(
    /\s+/,
  ),
);

interface Candidate {
  /** The index after the mark that may end a sentence, and the index where the next one would begin. */
  end: number;
  next: number;
  /** The word with the mark, and the text after it. */
  context: string;
}

/** The marks that may end a sentence. If one word has several, the last one counts. */
function* candidates(text: string): Generator<Candidate> {
  let pending: Candidate | undefined;
  /** Where the word before the latest mark begins, and where that mark is. */
  let wordStart = 0;
  let sign = 0;
  for (const match of text.matchAll(CANDIDATE)) {
    const at = match.index;
    const space = lastSpace(text, sign, at);
    if (space > sign) wordStart = space + 1;
    if (pending !== undefined && sign <= wordStart) yield pending;
    const [, spaces = "", first] = match;
    const end = at + 1;
    const next = end + spaces.length;
    const after = first === undefined ? text.slice(end, end + 1) : wordAt(text, next);
    const word = text.slice(Math.max(wordStart, at - LONGEST_WORD), end);
    pending = { end, next, context: `${word}${spaces && " "}${after}` };
    sign = at;
  }
  if (pending !== undefined) yield pending;
}

/** The index of the last white space in [from, to); -1 if there is none. */
function lastSpace(text: string, from: number, to: number): number {
  for (let i = to - 1; i >= from; i--) if (IS_SPACE.test(text[i] as string)) return i;
  return -1;
}

function wordAt(text: string, start: number): string {
  let end = start;
  while (end < text.length && end < start + LONGEST_WORD && !IS_SPACE.test(text[end] as string))
    end++;
  return text.slice(start, end);
}

/** Whether a token that isn't the last one ends a sentence. */
function hasBreak(context: string, isAlsoSmall: (word: string) => boolean): boolean {
  const tokens = context.match(TOKEN) ?? [];
  return tokens
    .slice(0, -1)
    .some((token, i) => endsSentence(token, tokens[i + 1] as string, isAlsoSmall));
}

function endsSentence(
  token: string,
  next: string,
  isAlsoSmall: (word: string) => boolean,
): boolean {
  if (token === "?" || token === "!") return true;
  if (!token.endsWith(".")) return false;
  const lower = token.toLowerCase();
  const isNumber = /^-?[.,]?\p{Nd}[\p{Nd},.-]*\.?$/u.test(lower);
  const type = lower.slice(0, -1);
  const isEllipsis = /^\.{2,}$/.test(token);
  const isAbbreviation =
    !token.endsWith("..") &&
    token !== "." &&
    (ABBREVIATIONS.has(type) || ABBREVIATIONS.has(type.split("-").at(-1) as string));
  const isInitial = /^[\p{L}_]\.$/u.test(token);
  const isBreak = token === "." || (!isAbbreviation && !token.endsWith(".."));
  const nextType = next.toLowerCase().replace(/(?<=.)\.$/u, "");
  const isLarge = /^[\p{Lu}\p{Lt}]/u.test(next);
  const begins = startsSentence(next, nextType, isAlsoSmall);
  if ((isAbbreviation || isEllipsis) && !isInitial) {
    if (begins === true) return true;
    if (isLarge && STARTERS.has(nextType)) return true;
  }
  if (isInitial || isNumber) {
    if (begins === false) return false;
    if (begins === undefined && isInitial && isLarge && !isKnownSmall(nextType, isAlsoSmall))
      return false;
  }
  return isBreak;
}

/** Whether a token begins a sentence, judged by its case; undefined if the case doesn't tell. */
function startsSentence(
  token: string,
  type: string,
  isAlsoSmall: (word: string) => boolean,
): boolean | undefined {
  if (/^[;:,.!?]$/.test(token)) return false;
  if (/^[\p{Lu}\p{Lt}]/u.test(token)) return isAlsoSmall(type) ? true : undefined;
  return /^\p{Ll}/u.test(token) ? false : undefined;
}

function isKnownSmall(type: string, isAlsoSmall: (word: string) => boolean): boolean {
  return isAlsoSmall(type) || TITLED.has(type) || STARTERS.has(type);
}

/** Moves closing quotes and brackets to the sentence before them. */
function realigned(text: string, slices: readonly [number, number][]): string[] {
  const sentences: string[] = [];
  let skipped = 0;
  for (const [i, [start, end]] of slices.entries()) {
    const from = start + skipped;
    const following = slices[i + 1];
    const rest = following && text.slice(...following);
    const closing = rest ? REALIGNED.exec(rest)?.[0] : undefined;
    const to = closing && following ? following[0] + stripEnd(closing).length : end;
    skipped = closing?.length ?? 0;
    if (to > from) sentences.push(text.slice(from, to));
  }
  return sentences;
}
