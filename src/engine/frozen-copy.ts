/**
 * Returns a deeply frozen copy of plain data, for callbacks of callers. The copy shares values that
 * are neither arrays nor plain objects with the original.
 */
export function frozenCopy<T>(value: T): T {
  if (Array.isArray(value)) return Object.freeze(value.map(frozenCopy)) as T;
  if (typeof value !== "object" || value === null) return value;
  if (Object.getPrototypeOf(value) !== Object.prototype) return value;
  const fields = Object.entries(value).map(([name, field]) => [name, frozenCopy(field)]);
  return Object.freeze(Object.fromEntries(fields)) as T;
}
