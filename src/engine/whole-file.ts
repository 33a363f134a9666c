/** Files that are there whole or not at all. */
import { access, mkdir, open, rename, rm } from "node:fs/promises";
import path from "node:path";

/** Writes a file in one step, so that no reader and no kill finds half of it. Rejects as Node does. */
export async function writeWhole(file: string, content: string | Uint8Array): Promise<void> {
  const unfinished = `${file}.${process.pid}.unfinished`;
  try {
    const handle = await open(unfinished, "w");
    try {
      await handle.writeFile(content);
      await handle.datasync();
    } finally {
      await handle.close();
    }
    await rename(unfinished, file);
  } catch (error) {
    await rm(unfinished, { force: true }).catch(() => {});
    throw error;
  }
}

/** Makes a file unless it is there, with its directory; returns its path. Rejects as Node does. */
export async function makeUnlessThere(
  file: string,
  make: () => Promise<Uint8Array>,
): Promise<string> {
  const isThere = await access(file).then(
    () => true,
    () => false,
  );
  if (isThere) return file;
  const content = await make();
  await mkdir(path.dirname(file), { recursive: true });
  await writeWhole(file, content);
  return file;
}
