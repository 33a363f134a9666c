/** Recognizes GGUF files, and files that people often mistake for them, by their first bytes. */
import { open } from "node:fs/promises";

/** What a file is, if it isn't GGUF, and the fix for the error. */
export interface FileKind {
  what: string;
  fix?: string;
}

/** The number of bytes at a file's beginning that `otherThanGguf` examines. */
export const HEAD_BYTES = 64;
/** Bytes of the fixed header: magic, version, number of tensors and number of metadata entries. */
const SMALLEST_GGUF = 24;

const IMPOSTORS: [RegExp, FileKind][] = [
  [/^\s*<(!doctype|html|\?xml)/i, { what: "a web page", fix: "the file's raw download link" }],
  [/^version https:\/\/git-lfs/, { what: "a Git LFS pointer", fix: "git lfs pull" }],
  [/^\{/, { what: "JSON (a safetensors file or index?)", fix: "a GGUF conversion of the model" }],
  [/^PK/, { what: "a ZIP archive (a PyTorch checkpoint?)", fix: "a GGUF conversion of the model" }],
];

/** Reads a file's first bytes, at most `HEAD_BYTES`. Rejects with Node's errors. */
export async function readHead(file: string): Promise<Uint8Array> {
  const handle = await open(file, "r");
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

/** The kind of a file that begins with these bytes; undefined if it is GGUF. */
export function otherThanGguf(head: Uint8Array): FileKind | undefined {
  const text = Buffer.from(head).toString("latin1");
  if (text.startsWith("GGUF")) return undefined;
  const impostor = IMPOSTORS.find(([pattern]) => pattern.test(text));
  return impostor?.[1] ?? { what: text === "" ? "empty" : "something else" };
}

/** Whether a file of this size is too short for the header of a GGUF file. */
export function endsInHeader(sizeBytes: number): boolean {
  return sizeBytes < SMALLEST_GGUF;
}
