/** Finite repetitions of anything. llama.cpp takes a larger upper bound for none. */
export const MAX_REPEATS = 2000;
/** Characters of a grammar. */
export const MAX_GRAMMAR_LENGTH = 1_000_000;
/** Groups in groups of a grammar: llama.cpp's reader calls itself. */
export const MAX_GROUP_DEPTH = 100;
/** Elements once repetitions are written out. */
export const MAX_ELEMENTS = 50_000;
/**
 * Different readings of one beginning: what a token's check costs. The engine refuses what has more
 * behind the beginnings that are tried (native/sampling/grammar_reader.cc).
 */
export const MAX_READINGS = 512;
