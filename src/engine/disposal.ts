/**
 * Realms that a test runner makes (Jest's, a `vm` context) lack the symbols of `await using`, which
 * Node itself has. This module comes before all that use them.
 */
for (const name of ["dispose", "asyncDispose"] as const) {
  if (Symbol[name] === undefined) {
    Object.defineProperty(Symbol, name, { value: Symbol.for(`nodejs.${name}`) });
  }
}
