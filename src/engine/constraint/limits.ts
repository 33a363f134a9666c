/** Finite repetitions of anything. llama.cpp takes a larger upper bound for none. */
export const MAX_REPEATS = 2000;
/** Characters of a grammar. */
export const MAX_GRAMMAR_LENGTH = 1_000_000;
/** Groups in groups of a grammar: llama.cpp's reader calls itself. */
export const MAX_GROUP_DEPTH = 100;
/** Elements once repetitions are written out. A copy of a grammar's state costs in proportion. */
export const MAX_ELEMENTS = 50_000;
/** Ways in which one beginning may be read at a time: what a token's check costs. */
export const MAX_READINGS = 512;
/**
 * Ways to read so many characters in a row: llama.cpp follows each of them to refuse a token. Longer
 * tokens are asked about character by character (native/sampling/grammar.cc).
 */
export const MAX_WAYS = 1_000_000;
export const WAYS_CHARACTERS = 16;
