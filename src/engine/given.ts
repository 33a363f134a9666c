/** Options of which none is undefined. */
export type Given<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** Drops the options that are undefined, so that later code applies its defaults to them. */
export function given<T extends object>(options: T): Given<T> {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Given<T>;
}
