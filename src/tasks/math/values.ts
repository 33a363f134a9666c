/** Parses answers with several values: "x = 5 or x = 7", `\pm 5`, "x = 3, y = 4", "3, 5". */
import { parseGroup, splitTop } from "./split.js";

const NAME = String.raw`(?:m?\\angle\s*[A-Z]{1,3}|\\?[A-Za-z]+(?:_(?:\w|\{[^{}]*\}))?'?(?:\^\{-1\}(?=\())?|\|\s*[A-Z]{2}\s*\||\\over(?:line|rightarrow)\s*\{[A-Z]{2}\}|\\frac\{[A-Za-z]\}\{[A-Za-z]\}|\\frac\{d\^?\w*\}\{d\w\})`;
/** One or more names with the sign that assigns them a value. */
export const ASSIGNMENT = new RegExp(
  String.raw`^\(?\s*${NAME}(?:\([^()]*\)|(?:\s*[,:]\s*${NAME})+)?\s*\)?\s*(?:=|\\in(?![a-z]))\s*|^=\s*`,
);
const NAMED = new RegExp(String.raw`^(${NAME}(?:\([^()]*\))?)\s*=\s*([^=]+)$`);
/** An assignment with the value first, such as `5 = x`. */
const REVERSED = new RegExp(String.raw`^([^=A-Za-z]+)\s*=\s*(${NAME})$`);

export interface Values {
  items: string[];
  /** The names of the items; null unless all have one. */
  names: string[] | null;
  /** Whether the order doesn't count, as with "or" and plus-minus. */
  unordered: boolean;
  /** Whether the items are the coordinates of one tuple. */
  tuple: boolean;
}

/** Returns the values of a list without brackets; `null` for a single value or another structure. */
export function valuesOf(text: string): Values | null {
  const { value: whole, name } = assigned(text);
  const alternatives = splitTop(whole, /\\lor(?![a-z])/);
  const parts = alternatives
    .flatMap((part) => splitTop(part, /[,;]/))
    .filter((part) => part !== "");
  const expanded = parts.map((part) => ({
    ...assigned(part),
    all: expandPlusMinus(assigned(part).value),
  }));
  const isExpanded = expanded.some(({ all }) => all.length > 1);
  if (parts.length === 1 && !isExpanded) {
    const reversed = REVERSED.exec(text);
    return reversed === null
      ? null
      : { items: [reversed[1]?.trim() as string], names: null, unordered: false, tuple: false };
  }
  if (parts.some((part) => /[<>]|\\[lg]e(?![a-z])/.test(part))) return null;
  const names = expanded.map((part) => part.name ?? (parts.length > 1 ? undefined : name));
  const first = names[0] ?? name;
  // In `x = 5, 7` the name stands for both values.
  const isOneName = first !== undefined && names.every((one) => one === undefined || one === first);
  const areNamed = names.every((one) => one !== undefined);
  if (!isOneName && !areNamed && names.some((one) => one !== undefined)) return null;
  const isTuple = areNamed && new Set(names).size > 1;
  const order = isTuple ? byName(names as string[]) : expanded.map((_, i) => i);
  const sorted = order.map((i) => expanded[i] as (typeof expanded)[number]);
  return {
    items: sorted.flatMap(({ all }) => all),
    names: areNamed && !isExpanded ? order.map((i) => names[i] as string) : null,
    // `x = 2, x = -7` are alternatives, as "x = 2 or x = -7" are.
    unordered: alternatives.length > 1 || isExpanded || (parts.length > 1 && areNamed && !isTuple),
    tuple: isTuple,
  };
}

function assigned(text: string): { name?: string; value: string } {
  const [, name, value] = NAMED.exec(text) ?? [];
  if (name === undefined || value === undefined) return { value: text };
  // In `x = 5, y = 3` the first name isn't the whole list's.
  return splitTop(text, /=/).length === 2 ? { name, value: value.trim() } : { value: text };
}

/**
 * Returns the order of names: alphabetical for Latin letters, and unchanged if a name is a command, as in `r`
 * and `\theta`.
 */
function byName(names: readonly string[]): number[] {
  const places = names.map((_, i) => i);
  if (names.some((name) => name.startsWith("\\"))) return places;
  return places.toSorted((a, b) => ((names[a] as string) < (names[b] as string) ? -1 : 1));
}

/** Expands `a \pm b` to both values. `\mp` takes the opposite sign. */
export function expandPlusMinus(text: string): string[] {
  const signs = text.match(/\\(?:pm|mp)(?![a-z])/g) ?? [];
  const group = parseGroup(text);
  // The members of a set are expanded separately. In `(\pm 1, \pm 2)` it isn't known whether the signs belong
  // together.
  if (signs.length === 0 || group?.open === "{" || (group !== null && signs.length > 1)) {
    return [text];
  }
  const signed = (plus: string, minus: string) =>
    text.replace(/\\pm(?![a-z])/g, plus).replace(/\\mp(?![a-z])/g, minus);
  return [signed("+", "-"), signed("-", "+")].map((one) => one.replace(/^\s*\+/, "").trim());
}
