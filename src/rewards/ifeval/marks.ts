/** Counts and finds what IFEval looks for in a text, apart from words and sentences. */
import { SPACE, strip } from "./sentences.js";

/** The number of parts between `***`; null if one in the middle is empty. */
export function countParagraphs(text: string): number | null {
  const parts = text.split(new RegExp(`[${SPACE}]?\\*\\*\\*[${SPACE}]?`));
  const isEmpty = parts.map((part) => strip(part) === "");
  if (isEmpty.slice(1, -1).some((empty) => empty)) return null;
  const [first, last] = [isEmpty[0], parts.length > 1 && isEmpty.at(-1)];
  return parts.length - (first ? 1 : 0) - (last ? 1 : 0);
}

/** The first word in lower case, without quotes before it, cut at the first punctuation mark. */
export function firstWord(paragraph: string): string {
  const [word = ""] = strip(paragraph).split(new RegExp(`[${SPACE}]`));
  return (/^'*"*([^.,?!'"]*)/.exec(word)?.[1] ?? "").toLowerCase();
}

/** Counts pairs of square brackets within a line. */
export function countPlaceholders(text: string): number {
  let count = 0;
  for (const line of text.split("\n")) {
    let open = line.indexOf("[");
    while (open >= 0) {
      const close = line.indexOf("]", open + 1);
      if (close < 0) break;
      count++;
      open = line.indexOf("[", close + 1);
    }
  }
  return count;
}

/** Counts bullets with stars and with hyphens at the beginnings of lines. */
export function countBullets(text: string): number {
  const isSpace = new RegExp(`[${SPACE}]`);
  const ends = (from: number) => {
    const end = text.indexOf("\n", from);
    return end < 0 ? text.length : end;
  };
  const count = (contentAt: (mark: number) => number | null) => {
    let bullets = 0;
    let start = 0;
    while (start < text.length) {
      let mark = start;
      while (mark < text.length && isSpace.test(text[mark] as string)) mark++;
      const content = contentAt(mark);
      if (content !== null) bullets++;
      const end = ends(content ?? mark);
      // If a bullet's content is only the line break, the next line may be a bullet too.
      start = content !== null && text[end - 1] === "\n" && end > mark + 1 ? end : end + 1;
    }
    return bullets;
  };
  const star = (mark: number) =>
    text[mark] === "*" && mark + 1 < text.length && text[mark + 1] !== "*" ? mark + 2 : null;
  const hyphen = (mark: number) => (text[mark] === "-" ? mark + 1 : null);
  return count(star) + count(hyphen);
}

/** Counts texts between stars on one line. Texts between double stars count once more. */
export function countHighlights(text: string): number {
  const hasContent = (highlight: string) => strip(highlight.replaceAll("*", "")) !== "";
  const single = text.match(/\*[^\n*]*\*/g) ?? [];
  const double = text.match(/\*\*[^\n*]*\*\*/g) ?? [];
  return [...single, ...double].filter(hasContent).length;
}

/** Whether a line has a title, which is the text between its first `<<` and its last `>>`. */
export function hasTitle(line: string): boolean {
  const open = line.indexOf("<<");
  const close = line.lastIndexOf(">>");
  if (open < 0 || close < open + 3) return false;
  let [from, to] = [open, close];
  while (line[from] === "<") from++;
  while (to > from && line[to - 1] === ">") to--;
  return strip(line.slice(from, to)) !== "";
}

/** Whether the text is JSON, possibly in a fence, also with the numbers that only Python's reader accepts. */
export function isJson(text: string): boolean {
  let inner = strip(text);
  for (const fence of ["```json", "```Json", "```JSON", "```"]) {
    if (inner.startsWith(fence)) inner = inner.slice(fence.length);
  }
  if (inner.endsWith("```")) inner = inner.slice(0, -3);
  // A word in its place: a number would join the sign or the digits before it.
  const plain = strip(inner).replace(/"(?:[^"\\]|\\[\s\S])*"?|-?Infinity\b|NaN\b/g, (part) =>
    part.startsWith('"') ? part : "null",
  );
  try {
    JSON.parse(plain);
    return true;
  } catch {
    return false;
  }
}

/** The text without double quotes around it. */
export function withoutQuotes(text: string): string {
  let [from, to] = [0, text.length];
  while (from < to && text[from] === '"') from++;
  while (to > from && text[to - 1] === '"') to--;
  return text.slice(from, to);
}
