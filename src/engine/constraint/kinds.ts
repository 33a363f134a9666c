/** Constraints as they are given, and as engines take them. */
import type { CallForm } from "./calls/call-form.js";

/** What an answer must be; exactly one of these. `docs/constraints.md` tells of each. */
export type Constraint =
  /** JSON that is valid by this schema (draft 2020-12, or draft-07 where `$schema` says so). */
  | { json: object | boolean }
  /** Matches this regular expression as a whole; of JavaScript, with the flag `u`. */
  | { regex: string }
  /** A grammar in llama.cpp's form, GBNF, with a rule `root`. */
  | { grammar: string }
  /** One of these texts. */
  | { choices: readonly string[] }
  /** One line of exactly so many words, 1 to 500, separated by single blanks. */
  | { words: number }
  /** Exactly so many lines, 1 to 500, none of them blank. */
  | { lines: number };

/** A constraint as a grammar, which any run can take again without compiling it anew. */
export interface CompiledConstraint {
  readonly kind: "json" | "regex" | "grammar" | "choices" | "words" | "lines" | "tools";
  /** In GBNF, with a rule `root`; llama.cpp accepts it. */
  readonly grammar: string;
  /** The same for the same kind and grammar, and for no other. */
  readonly fingerprint: string;
  /** Control tokens that the grammar reads by their texts. Default: none. */
  readonly tokens?: readonly number[];
  /** How calls of tools are written, where the constraint is one of tools. */
  readonly calls?: readonly CallForm[];
}
