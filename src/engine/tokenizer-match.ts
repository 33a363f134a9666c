import { LlamaEtsError } from "./errors.js";
import type { NativeModel, NativeModelInfo } from "./local/native-model.js";

interface Described {
  native: NativeModel;
  info: Readonly<NativeModelInfo>;
  metadata: Readonly<Record<string, string>>;
}

/**
 * Checks that two models read the same tokens, so that one's rollouts can be scored by the other,
 * and returns the size of the vocabulary they share. Sizes may differ by padding at the end.
 * Throws `ERR_TOKENIZER_MISMATCH`, naming the first difference.
 */
export function matchTokenizers(reference: Described, proposal: Described): number {
  const refuse = (what: string): never => {
    throw new LlamaEtsError(
      "ERR_TOKENIZER_MISMATCH",
      `The proposal's tokenizer is not the reference's: ${what}`,
      { fix: "a smaller model of the same family" },
    );
  };
  const token = reference.native.firstTokenDifference(proposal.native);
  if (token !== null) {
    const [mine, theirs] = [reference, proposal].map(({ native, info }) =>
      token < info.vocabSize ? JSON.stringify(native.tokenText(token)) : "nothing",
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
