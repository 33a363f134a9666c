/** The questions of a run's items, which its samples don't repeat. */
import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { findTask, taskNames } from "../../tasks/index.js";
import type { RunRecord } from "../run-files.js";

const MAX_BYTES = 256 * 2 ** 20;

/**
 * Questions by item, from the data file that the run names if it is still there and unchanged; none
 * otherwise. A task of a user's own module is not loaded: a run directory may come from anywhere,
 * and loading runs code.
 */
export async function questionsOf({ task, data }: RunRecord): Promise<Map<string, string>> {
  if (!taskNames().includes(task)) return new Map();
  try {
    const file = await stat(data.path);
    if (!file.isFile() || file.size > MAX_BYTES) return new Map();
    const sha256 = createHash("sha256")
      .update(await readFile(data.path))
      .digest("hex");
    if (sha256 !== data.sha256) return new Map();
    const items = await (await findTask(task)).load(data.path);
    return new Map(items.map(({ id, prompt }) => [id, prompt]));
  } catch {
    return new Map(); // moved, or not readable: the report does without
  }
}
