/** Compiles constraints on answers to grammars. It loads the compiler only when the first is compiled. */
import type { CompiledConstraint, Constraint } from "./kinds.js";

export type { CompiledConstraint, Constraint };

/**
 * Compiles a constraint to a grammar. The grammar is checked by the rules of docs/constraints.md, and by
 * llama.cpp itself in a separate process, which may crash.
 *
 * @throws LlamaEtsError `ERR_INVALID_OPTION` for a malformed constraint; `ERR_CONSTRAINT` for one that
 *   can't be met, that a grammar can't express, or that is too large. The message names the place and a fix
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

/** The cache key of a constraint. A constraint that isn't plain data has none; the compiler refuses it. */
function keyOf(constraint: Constraint): string {
  try {
    return JSON.stringify(constraint) ?? "";
  } catch {
    return "";
  }
}

/** Like `compileConstraint`, with a cache of results. Undefined stands for no constraint. */
export async function compiledConstraint(
  constraint: Constraint | undefined,
): Promise<CompiledConstraint | undefined> {
  if (constraint === undefined) return undefined;
  const key = keyOf(constraint);
  const known = compiled.get(key);
  if (known !== undefined) return known;
  const compiling = compileConstraint(constraint);
  await compiling; // throws before a failure gets into the cache
  if (compiled.size >= MOST_KEPT) compiled.delete(compiled.keys().next().value as string);
  compiled.set(key, compiling);
  return compiling;
}
