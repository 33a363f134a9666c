/** The files of a prebuild. */
export const PREBUILT_FILES: { name: string; mode: number; isOn(platform: string): boolean }[];
/** Throws if a file is missing, can't be run, or needs a newer system. */
export function checkPrebuild(platform: string, directory?: string): void;
/**
 * Returns the symbols in the output of `objdump --dynamic-syms` that are newer than the oldest supported
 * system.
 */
export function tooNew(symbols: string): { library: string; version: string; symbol: string }[];
