/** What a file is by its first bytes: GGUF, or what is mistaken for it most often. */
import { open } from "node:fs/promises";

export interface FileKind {
  what: string;
  fix?: string;
}

/** As many of a file's first bytes as `otherThanGguf` looks at. */
export const HEAD_BYTES = 64;
/** Magic, version, and the numbers of tensors and of metadata. */
const SMALLEST_GGUF = 24;

const IMPOSTORS: [RegExp, FileKind][] = [
  [/^\s*<(!doctype|html|\?xml)/i, { what: "a web page", fix: "the file's raw download link" }],
  [/^version https:\/\/git-lfs/, { what: "a Git LFS pointer", fix: "git lfs pull" }],
  [/^\{/, { what: "JSON (a safetensors file or index?)", fix: "a GGUF conversion of the model" }],
  [/^PK/, { what: "a ZIP archive (a PyTorch checkpoint?)", fix: "a GGUF conversion of the model" }],
];

/** A file's first bytes, at most `HEAD_BYTES`. Rejects as Node does. */
export async function readHead(file: string): Promise<Uint8Array> {
  const handle = await open(file, "r");
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

/** What begins with these bytes; `undefined` for GGUF. */
export function otherThanGguf(head: Uint8Array): FileKind | undefined {
  const text = Buffer.from(head).toString("latin1");
  if (text.startsWith("GGUF")) return undefined;
  const impostor = IMPOSTORS.find(([pattern]) => pattern.test(text));
  return impostor?.[1] ?? { what: text === "" ? "empty" : "something else" };
}

/** Whether a GGUF file of this size ends before its header does. */
export function endsInHeader(sizeBytes: number): boolean {
  return sizeBytes < SMALLEST_GGUF;
}
