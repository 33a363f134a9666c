/** The symbols in what `objdump --dynamic-syms` prints that are newer than the floor. */
export function tooNew(symbols: string): { library: string; version: string; symbol: string }[];
