/** The files of a prebuild. */
export const PREBUILT_FILES: { name: string; mode: number; isOn(platform: string): boolean }[];
/** Throws for a missing file, one that can't be run, or one that asks for a newer system. */
export function checkPrebuild(platform: string, directory?: string): void;
/** The symbols in what `objdump --dynamic-syms` prints that are newer than the floor. */
export function tooNew(symbols: string): { library: string; version: string; symbol: string }[];
