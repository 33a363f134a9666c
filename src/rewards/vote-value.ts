/** What votes are on where answers are data: the value, or parts of it, in one form. */
import { checkStrings, refuse } from "../engine/check.js";
import { type CallForm, callsIn } from "../engine/constraint/calls/call-form.js";
import { canonicalAnswer, extractAnswer } from "./answer.js";
import type { AnswerExtractor } from "./reward.js";

/** Parts of a value that votes look at. Paths are names with points between, `*` for any: `items.*.id`. */
export interface VotedParts {
  /** Those that count alone; null: all. */
  fields: readonly string[][] | null;
  /** Those that don't count. */
  except: readonly string[][];
}

/** Throws `ERR_INVALID_OPTION` for what are no paths. */
export function votedParts(fields?: readonly string[], except?: readonly string[]): VotedParts {
  return {
    fields: fields === undefined ? null : pathsOf("voteFields", fields),
    except: except === undefined ? [] : pathsOf("voteExcept", except),
  };
}

function pathsOf(name: string, given: readonly string[]): string[][] {
  const paths = checkStrings(name, given).map((path) => path.split("."));
  const isWrong = paths.length === 0 || paths.some((path) => path.includes(""));
  return isWrong ? refuse(name, "paths such as `city` or `items.*.id`", given) : paths;
}

/** Answers that are JSON: the value in one form, whatever its blanks and the order of its fields. */
export function jsonVotes(parts: VotedParts): AnswerExtractor {
  const extract = (text: string) => {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      return null;
    }
    return canonical(value, parts);
  };
  return Object.assign(extract, { isCanonical: true });
}

/** Answers that are tool calls, `name` and `arguments` of each; a text without any has an answer as others. */
export function callVotes(forms: readonly CallForm[], parts: VotedParts): AnswerExtractor {
  const extract = (text: string) => {
    const calls = callsIn(text, forms);
    if (calls.length > 0) return JSON.stringify(calls.map((call) => sorted(voted(call, parts))));
    const answer = extractAnswer(text);
    return answer === null ? null : canonicalAnswer(answer);
  };
  return Object.assign(extract, { isCanonical: true });
}

function canonical(value: unknown, parts: VotedParts): string | null {
  const seen = voted(value, parts);
  return seen === undefined ? null : JSON.stringify(sorted(seen));
}

/** What of a value counts; undefined: nothing. */
function voted(value: unknown, { fields, except }: VotedParts): unknown {
  const chosen = fields === null ? value : only(value, fields);
  return chosen === undefined ? undefined : without(chosen, except);
}

function below(paths: readonly string[][], name: string): string[][] {
  return paths.filter(([first]) => first === name || first === "*").map(([, ...rest]) => rest);
}

function only(value: unknown, paths: readonly string[][]): unknown {
  if (paths.some((path) => path.length === 0)) return value;
  if (paths.length === 0 || typeof value !== "object" || value === null) return undefined;
  const kept = Object.entries(value)
    .map(([name, inner]) => [name, only(inner, below(paths, name))] as const)
    .filter(([, inner]) => inner !== undefined);
  if (kept.length === 0) return undefined;
  return Array.isArray(value) ? kept.map(([, inner]) => inner) : Object.fromEntries(kept);
}

function without(value: unknown, paths: readonly string[][]): unknown {
  if (paths.length === 0 || typeof value !== "object" || value === null) return value;
  const kept = Object.entries(value)
    .filter(([name]) => !below(paths, name).some((path) => path.length === 0))
    .map(([name, inner]) => [name, without(inner, below(paths, name))] as const);
  return Array.isArray(value) ? kept.map(([, inner]) => inner) : Object.fromEntries(kept);
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(fields.map(([name, field]) => [name, sorted(field)]));
}
