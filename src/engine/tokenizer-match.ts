import { checkVocabulary } from "./check.js";
import { LlamaEtsError } from "./errors.js";
import type { Vocabulary } from "./vocabulary.js";

/**
 * Checks that two models have the same tokenizer, so that one can score the other's rollouts. Returns
 * the size of the vocabulary that they share; sizes may differ by padding at the end. Throws
 * `ERR_TOKENIZER_MISMATCH`, which names the first difference.
 */
export function matchTokenizers(reference: Vocabulary, proposal: Vocabulary): number {
  const refuse = (what: string): never => {
    throw new LlamaEtsError(
      "ERR_TOKENIZER_MISMATCH",
      `The proposal's tokenizer is not the reference's: ${what}`,
      { fix: "a smaller model of the same family" },
    );
  };
  const token = reference.firstDifference(proposal);
  if (token !== null) {
    const [mine, theirs] = [reference, proposal].map((vocabulary) =>
      token < vocabulary.info.vocabSize ? JSON.stringify(vocabulary.tokenText(token)) : "nothing",
    );
    refuse(
      mine === theirs
        ? `token ${token} (${mine}) ends the text in one of them only`
        : `token ${token} is ${mine} in the reference and ${theirs} in the proposal`,
    );
  }
  for (const name of ["bos", "eos", "eot"] as const) {
    const [mine, theirs] = [reference.info[name], proposal.info[name]];
    if (mine !== theirs)
      refuse(`${name} is ${mine} in the reference and ${theirs} in the proposal`);
  }
  for (const key of ["tokenizer.ggml.model", "tokenizer.ggml.pre"]) {
    const [mine, theirs] = [reference.metadata[key], proposal.metadata[key]];
    if (mine !== theirs)
      refuse(`\`${key}\` is ${mine} in the reference and ${theirs} in the proposal`);
  }
  return Math.min(reference.info.vocabSize, proposal.info.vocabSize);
}

/**
 * Returns the lowest token id at which two vocabularies differ, or null. They differ in a token's text,
 * in whether it ends texts, or in whether they have it at all; padding doesn't count. The vocabularies
 * may belong to different engines. The addon does the same for two models of its own.
 */
export function compareTokens(mine: Vocabulary, theirs: Vocabulary): number | null {
  checkVocabulary("other", theirs);
  const [smaller, larger] =
    mine.info.vocabSize <= theirs.info.vocabSize ? [mine, theirs] : [theirs, mine];
  const shared = smaller.info.vocabSize;
  for (let token = 0; token < shared; token++) {
    const isSame =
      mine.tokenText(token) === theirs.tokenText(token) &&
      mine.isEndToken(token) === theirs.isEndToken(token);
    if (!isSame) return token;
  }
  for (let token = shared; token < larger.info.vocabSize; token++) {
    if (!larger.tokenText(token).startsWith("[PAD")) return token; // a token that isn't padding
  }
  return null;
}
