/** Why a template, a schema or a grammar could not be read. */

/** "refused": the reader said no; the others ended the reader itself. */
export type TextFailureKind = "refused" | "time" | "memory" | "crash";

/** The process or the thread that reads templates failed; callers say in an error of ours at what. */
export class TextFailure extends Error {
  readonly kind: TextFailureKind;

  constructor(kind: TextFailureKind, message: string) {
    super(message);
    this.kind = kind;
  }
}
