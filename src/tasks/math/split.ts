/** Splits answers at separators outside of all brackets. */

const OPEN = "([{";
const CLOSE = ")]}";

/** Returns the parts between top-level separators. It never splits a matrix or group. */
export function splitTop(text: string, separator: RegExp): string[] {
  const parts: string[] = [];
  const sticky = new RegExp(separator.source, "y");
  let depth = 0;
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    if (text.startsWith("\\begin", i)) depth++;
    if (text.startsWith("\\end", i)) depth--;
    const char = text[i] as string;
    if (OPEN.includes(char)) depth++;
    if (CLOSE.includes(char)) depth = Math.max(0, depth - 1);
    sticky.lastIndex = i;
    const match = depth === 0 ? sticky.exec(text) : null;
    if (match === null) continue;
    parts.push(text.slice(start, i).trim());
    i += match[0].length - 1;
    start = i + 1;
  }
  return [...parts, text.slice(start).trim()];
}

export interface Group {
  open: string;
  close: string;
  items: string[];
}

/** Parses a text that is one bracketed group: `(a, b]`, `[a, b]`, `(a, b, c)` or `\{a, b\}`. */
export function parseGroup(text: string): Group | null {
  const set = /^\\\{([\s\S]*)\\\}$/.exec(text) ?? /^\{([\s\S]*)\}$/.exec(text);
  if (set) return { open: "{", close: "}", items: splitTop(set[1] as string, /[,;]/) };
  const match = /^([([])([\s\S]*)([)\]])$/.exec(text);
  if (match === null) return null;
  const [, open = "", inner = "", close = ""] = match;
  if (!isBalanced(inner)) return null;
  return { open, close, items: splitTop(inner, /[,;]/) };
}

/** Returns whether no closing bracket belongs to an opening one before the text. */
function isBalanced(text: string): boolean {
  let depth = 0;
  for (const char of text) {
    if (OPEN.includes(char)) depth++;
    if (CLOSE.includes(char) && --depth < 0) return false;
  }
  return depth === 0;
}
