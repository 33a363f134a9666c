/** Constraints on answers as grammars. What compiles them is loaded once one is asked for. */
import type { CompiledConstraint, Constraint } from "./kinds.js";

export type { CompiledConstraint, Constraint };

/**
 * A constraint as a grammar. It is checked by the rules of `docs/constraints.md`, and by llama.cpp
 * itself in a process that may die of it.
 *
 * @throws LlamaEtsError `ERR_INVALID_OPTION` for what is no constraint; `ERR_CONSTRAINT` for one that
 * can't be met, that says what no grammar can say, or that is too large: where, and what would do
 *
 * @example
 * const { grammar } = await compileConstraint({ regex: "[0-9]{4}-[0-9]{2}" });
 */
export async function compileConstraint(constraint: Constraint): Promise<CompiledConstraint> {
  const { compile } = await import("./compile.js");
  return compile(constraint);
}

const compiled = new Map<string, Promise<CompiledConstraint>>();
const MOST_KEPT = 32;

/** What tells constraints apart. What isn't data has no key, and compiling refuses it. */
function keyOf(constraint: Constraint): string {
  try {
    return JSON.stringify(constraint) ?? "";
  } catch {
    return "";
  }
}

/** As `compileConstraint`, which is asked once for the same constraint; undefined: none was given. */
export async function compiledConstraint(
  constraint: Constraint | undefined,
): Promise<CompiledConstraint | undefined> {
  if (constraint === undefined) return undefined;
  const key = keyOf(constraint);
  const known = compiled.get(key);
  if (known !== undefined) return known;
  const compiling = compileConstraint(constraint);
  await compiling; // what is refused is asked about again
  if (compiled.size >= MOST_KEPT) compiled.delete(compiled.keys().next().value as string);
  compiled.set(key, compiling);
  return compiling;
}
