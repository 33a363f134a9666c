/** The reasons why a template, a schema or a grammar could not be read. */

/** "refused" means that the reader reported an error. In the other cases the reader itself was ended. */
export type TextFailureKind = "refused" | "time" | "memory" | "crash";

/** A failure of the process or thread that reads texts. Callers convert it to a `LlamaEtsError`. */
export class TextFailure extends Error {
  readonly kind: TextFailureKind;

  constructor(kind: TextFailureKind, message: string) {
    super(message);
    this.kind = kind;
  }
}
