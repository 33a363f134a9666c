/**
 * How a template writes tool calls. It finds calls in a text without llama.cpp, because votes need the
 * calls of every text. Forms are plain data, so they can be sent to another process.
 */

/** How the calls of one tool are written. `heads` are sources of regular expressions (flags `sug`). */
export interface CallForm {
  name: string;
  /** Patterns of the text before the arguments; in a tagged form, before the first argument. */
  heads: readonly string[];
  /** The arguments between tags; null if the arguments are one JSON object after the head. */
  tagged: readonly ArgumentForm[] | null;
}

/** An argument that is written between its own tags. */
interface ArgumentForm {
  name: string;
  heads: readonly string[];
  /** The text after the value. */
  tail: string;
  /** Whether the value is a text without quotes, not JSON. */
  isText: boolean;
}

/** A call that was found. */
export interface FoundCall {
  name: string;
  arguments: Record<string, unknown>;
}

/** The complete calls in a text, in their order. Unfinished calls are left out. */
export function callsIn(text: string, forms: readonly CallForm[]): FoundCall[] {
  const calls: FoundCall[] = [];
  for (let at = 0; ; ) {
    const found = firstOf(text, at, forms);
    if (found === undefined) return calls;
    const { form, end } = found;
    const next =
      form.tagged === null ? objectAt(text, end) : taggedAt(text, end, form.tagged, forms);
    if (next === undefined) {
      at = end;
      continue;
    }
    calls.push({ name: form.name, arguments: next.value });
    at = next.end;
  }
}

interface Headed {
  heads: readonly string[];
}

interface Found<Form> {
  form: Form;
  start: number;
  end: number;
}

/** The form whose head comes first in the text. If several begin there, the longest head wins. */
function firstOf<Form extends Headed>(
  text: string,
  from: number,
  forms: readonly Form[],
): Found<Form> | undefined {
  let first: Found<Form> | undefined;
  for (const form of forms) {
    for (const head of form.heads) {
      const pattern = new RegExp(head, "sug");
      pattern.lastIndex = from;
      const match = pattern.exec(text);
      if (match === null) continue;
      const found = { form, start: match.index, end: pattern.lastIndex };
      const isBefore = first === undefined || found.start < first.start;
      if (isBefore || (found.start === first?.start && found.end > first.end)) first = found;
    }
  }
  return first;
}

interface Read<Value> {
  value: Value;
  end: number;
}

function taggedAt(
  text: string,
  from: number,
  tagged: readonly ArgumentForm[],
  calls: readonly CallForm[],
): Read<Record<string, unknown>> | undefined {
  const values: Record<string, unknown> = {};
  for (let at = from; ; ) {
    const found = firstOf(text, at, tagged);
    const next = firstOf(text, at, calls);
    if (found === undefined || (next !== undefined && next.start < found.start)) {
      return { value: values, end: at };
    }
    const { form } = found;
    const read = form.isText ? textAt(text, found.end, form.tail) : valueAt(text, found.end);
    if (read === undefined) return undefined;
    values[form.name] = read.value;
    at = read.end;
  }
}

function textAt(text: string, from: number, tail: string): Read<string> | undefined {
  const end = text.indexOf(tail, from);
  return end < 0 ? undefined : { value: text.slice(from, end), end: end + tail.length };
}

function objectAt(text: string, from: number): Read<Record<string, unknown>> | undefined {
  if (text.slice(from).trimStart()[0] !== "{") return undefined;
  return valueAt(text, from) as Read<Record<string, unknown>> | undefined;
}

/** Reads a JSON value at a place in a text. White space may come before it, and other text after it. */
function valueAt(text: string, at: number): Read<unknown> | undefined {
  const from = text.length - text.slice(at).trimStart().length;
  const end = endOfValue(text, from);
  if (end === undefined) return undefined;
  try {
    return { value: JSON.parse(text.slice(from, end)), end };
  } catch {
    return undefined;
  }
}

function endOfValue(text: string, from: number): number | undefined {
  const piece = /"(?:[^"\\]|\\.)*"|[[\]{}]|[^"[\]{}\s,:]+|[\s,:]+/suy;
  let depth = 0;
  for (let at = from; at < text.length; ) {
    piece.lastIndex = at;
    const found = piece.exec(text)?.[0];
    if (found === undefined) return undefined;
    if (depth === 0 && !/^["[{\w-]/.test(found)) return undefined;
    // A tag may follow a number or a word directly.
    const isWord = /^[\w-]/.test(found);
    at += isWord ? (/^[\w.+-]+/.exec(found)?.[0].length ?? found.length) : found.length;
    if (found === "{" || found === "[") depth++;
    if (found === "}" || found === "]") depth--;
    if (depth === 0) return at;
  }
  return undefined;
}
