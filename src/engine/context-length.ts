import { LlamaEtsError } from "./errors.js";

/** Throws `ERR_CONTEXT_FULL` if a prompt and its answer are longer than a model's context. */
export function refuseTooLong(
  { contextLength }: { contextLength: number },
  { promptTokens, maxTokens }: { promptTokens: number; maxTokens: number },
  fix?: string,
): void {
  if (promptTokens + maxTokens <= contextLength) return;
  throw new LlamaEtsError(
    "ERR_CONTEXT_FULL",
    `The prompt has ${promptTokens} tokens and the answer up to ${maxTokens}; the model's context holds ${contextLength}`,
    fix === undefined ? {} : { fix },
  );
}
