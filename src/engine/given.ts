export type Given<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** Options without those that are undefined: what isn't given has its default elsewhere. */
export function given<T extends object>(options: T): Given<T> {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Given<T>;
}
