/** The largest finite bound of repetitions. llama.cpp treats a larger upper bound as no bound. */
export const MAX_REPEATS = 2000;
/** The most characters of a grammar. */
export const MAX_GRAMMAR_LENGTH = 1_000_000;
/** The deepest nesting of groups in a grammar. llama.cpp's reader is recursive. */
export const MAX_GROUP_DEPTH = 100;
/** The most elements of a grammar after repetitions are expanded. */
export const MAX_ELEMENTS = 50_000;
/**
 * The most different readings of one prefix. The cost of checking a token is proportional to them. The
 * compiler tries only some prefixes; for any other, the engine itself refuses more readings
 * (native/sampling/grammar_reader.cc).
 */
export const MAX_READINGS = 512;
