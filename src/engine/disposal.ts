/**
 * Defines the symbols that `await using` needs. Node has them, but a realm that a test runner such as
 * Jest creates (a `vm` context) lacks them. Import this module before all modules that use them.
 */
for (const name of ["dispose", "asyncDispose"] as const) {
  if (Symbol[name] === undefined) {
    Object.defineProperty(Symbol, name, { value: Symbol.for(`nodejs.${name}`) });
  }
}
