/** What went wrong, for programs to test. Codes are stable; messages are for people and may change. */
export type ErrorCode =
  | "ERR_ABORTED"
  | "ERR_BUILD_FAILED"
  | "ERR_CONSTRAINT"
  | "ERR_CONSTRAINT_DEAD"
  | "ERR_CONTEXT_FULL"
  | "ERR_DISPOSED"
  | "ERR_DOWNLOAD"
  | "ERR_ENGINE_ANSWER"
  | "ERR_ENGINE_CRASHED"
  | "ERR_ENGINE_FAILED"
  | "ERR_ENGINE_MISMATCH"
  | "ERR_ENGINE_NOT_FOUND"
  | "ERR_ENGINE_REFUSED"
  | "ERR_ENGINE_UNREACHABLE"
  | "ERR_INVALID_ARGUMENT"
  | "ERR_INVALID_DATA"
  | "ERR_INVALID_LOGITS"
  | "ERR_INVALID_OPTION"
  | "ERR_INVALID_STATE"
  | "ERR_MODEL_NOT_FOUND"
  | "ERR_MODEL_TRUNCATED"
  | "ERR_NO_CHAT_TEMPLATE"
  | "ERR_NOT_GGUF"
  | "ERR_OUT_OF_MEMORY"
  | "ERR_QUEUE"
  | "ERR_REWARD"
  | "ERR_RPC_SERVER"
  | "ERR_RUN_IN_USE"
  | "ERR_SANDBOX"
  | "ERR_TOKENIZER_MISMATCH"
  | "ERR_TOOL_NOT_FOUND"
  | "ERR_UNSUPPORTED_MODEL"
  | "ERR_WRITE";

/**
 * The class of all errors of this library. The message names what was expected and what was given. It
 * ends with "Try: …" if there is a fix.
 */
export class LlamaEtsError extends Error {
  override readonly name = "LlamaEtsError";
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options: { fix?: string; cause?: unknown } = {}) {
    const { fix, cause } = options;
    super(fix === undefined ? message : `${message}\nTry: ${fix}`, { cause });
    this.code = code;
  }
}

/** The message of a thrown value, which may be no `Error`. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Says in plain words why a file could not be read. */
export function whyUnreadable(error: unknown): string {
  const words: Record<string, string> = {
    ENOENT: "there is no such file",
    ENOTDIR: "there is no such file",
    EISDIR: "it is a directory",
    EACCES: "you may not read it",
    EPERM: "you may not read it",
  };
  return words[codeOf(error) ?? ""] ?? messageOf(error);
}

/** The `code` of a thrown error, as Node and the addon set it. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}
