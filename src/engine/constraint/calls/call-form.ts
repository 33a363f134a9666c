/**
 * How a template writes tool calls, by which calls are found in a text without asking llama.cpp: votes
 * ask for those of every text. It is data, which can be sent to another process.
 */

/** The calls of one tool. Patterns are sources of regular expressions with the flags `suy`. */
export interface CallForm {
  name: string;
  /** What stands before the arguments, or in a tagged form before the first one. */
  heads: readonly string[];
  /** Null where the arguments are one JSON object, which follows the head. */
  tagged: readonly ArgumentForm[] | null;
}

/** An argument that stands by itself between tags. */
interface ArgumentForm {
  name: string;
  heads: readonly string[];
  /** What follows the value. */
  tail: string;
  /** Whether the value is the text as it stands, and not JSON. */
  isText: boolean;
}

/** A call that was found. */
export interface FoundCall {
  name: string;
  arguments: Record<string, unknown>;
}

/** The calls in a text, in their order; what is unfinished is none. */
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

/** The form whose head comes first, the longest of those that begin together. */
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

/** A JSON value at a place of a text, which goes on behind it; blanks may stand before it. */
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
    // A number or word may be followed by a tag at once.
    const isWord = /^[\w-]/.test(found);
    at += isWord ? (/^[\w.+-]+/.exec(found)?.[0].length ?? found.length) : found.length;
    if (found === "{" || found === "[") depth++;
    if (found === "}" || found === "]") depth--;
    if (depth === 0) return at;
  }
  return undefined;
}
