/** The types of given constraints, and of compiled constraints for engines. */
import type { CallForm } from "./calls/call-form.js";

/** A constraint on answers, of exactly one of these kinds. See docs/constraints.md. */
export type Constraint =
  /** The answer is JSON that is valid by this schema (draft 2020-12; draft-07 if `$schema` names it). */
  | { json: object | boolean }
  /** The whole answer matches this regular expression of JavaScript, with the flag `u`. */
  | { regex: string }
  /** The answer matches this grammar in GBNF, llama.cpp's format. It has a rule `root`. */
  | { grammar: string }
  /** The answer is one of these texts. */
  | { choices: readonly string[] }
  /** The answer is one line with exactly this many words (1 to 500), separated by single spaces. */
  | { words: number }
  /** The answer has exactly this many lines (1 to 500), none of them blank. */
  | { lines: number };

/** A compiled constraint. Several runs can use it without compiling it again. */
export interface CompiledConstraint {
  readonly kind: "json" | "regex" | "grammar" | "choices" | "words" | "lines" | "tools";
  /** The grammar in GBNF, with a rule `root`. It was checked for llama.cpp. */
  readonly grammar: string;
  /** A hash that identifies the kind and the grammar. */
  readonly fingerprint: string;
  /** Control tokens whose texts the grammar reads. Default: none. */
  readonly tokens?: readonly number[];
  /** How tool calls are written; only for the kind "tools". */
  readonly calls?: readonly CallForm[];
}
