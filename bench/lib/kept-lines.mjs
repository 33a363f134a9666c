import { appendFile, mkdir, readFile, truncate } from "node:fs/promises";
import path from "node:path";

/**
 * Keeps outcomes by key in a file of JSON lines, so that an interrupted study can continue. An incomplete
 * last line is dropped.
 */
export async function keptLines(file) {
  await mkdir(path.dirname(file), { recursive: true });
  const text = await readFile(file, "utf8").catch(() => "");
  const whole = text.slice(0, text.lastIndexOf("\n") + 1);
  if (whole !== text) await truncate(file, Buffer.byteLength(whole));
  const lines = whole.split("\n").filter((line) => line !== "");
  const kept = new Map(lines.map((line) => JSON.parse(line)).map((one) => [one.key, one.outcome]));
  return {
    has: (key) => kept.has(key),
    /** Returns the outcome of a key. It makes and keeps one if there is none. */
    async get(key, make) {
      if (!kept.has(key)) {
        const outcome = await make();
        kept.set(key, outcome);
        await appendFile(file, `${JSON.stringify({ key, outcome })}\n`);
      }
      return kept.get(key);
    },
  };
}
