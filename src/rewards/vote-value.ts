/** Extracts answers that are data, so that votes compare values, or parts of them, in one form. */
import { checkStrings, refuse } from "../engine/check.js";
import { type CallForm, callsIn } from "../engine/constraint/calls/call-form.js";
import { canonicalAnswer, extractAnswer } from "./answer.js";
import type { AnswerExtractor } from "./reward.js";

/** The parts of a value that votes compare. Paths are names with dots between, `*` for any: `items.*.id`. */
export interface VotedParts {
  /** The only parts that count; null: all parts. */
  fields: readonly string[][] | null;
  /** The parts that don't count. */
  except: readonly string[][];
}

/** Reads paths. Throws `ERR_INVALID_OPTION` if they are invalid. */
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

/** Extracts answers that are JSON, in one form that doesn't depend on blanks and the order of fields. */
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

/**
 * Extracts answers that are tool calls, with the `name` and `arguments` of each. A text without calls has
 * an answer in the usual forms.
 */
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

/** The parts of a value that count; undefined if none does. */
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
