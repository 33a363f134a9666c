type Given<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** Without what isn't there: options that weren't given have their defaults elsewhere. */
export function given<T extends object>(options: T): Given<T> {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Given<T>;
}
