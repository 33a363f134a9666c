/** Reads the results of a sweep and checks the file, since it may come from an untrusted source. */
import { existsSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { LlamaEtsError, whyUnreadable } from "../../engine/errors.js";
import { readTextFile } from "../../engine/read-file.js";
import { METHOD_NAMES } from "../../methods/registry.js";
import { parseJson, validate } from "../store/checked-json.js";
import { RUN_FILE } from "../store/run-files.js";
import type { SweepResult } from "./run-sweep.js";

/** The file with the results, in the directory of a sweep. */
export const SWEEP_FILE = "sweep.json";

const share = z.number().min(0).max(1);
const score = z.object({
  items: z.int().min(1),
  accuracy: share,
  ci95: z.tuple([share, share]),
});
const method = z.enum([...METHOD_NAMES, "auto"]);
const name = z.string().min(1);

const sweepSchema: z.ZodType<SweepResult[]> = z
  .array(
    z.object({
      task: name,
      model: name,
      directories: z.array(name),
      settings: z.array(
        z.object({
          name,
          method,
          all: score.nullable(),
          varied: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
          generated: z.number().min(0),
          seconds: z.number().min(0),
        }),
      ),
      best: z.array(z.object({ method, name, chosenBy: score, heldOut: score })),
      failed: z.int().min(0),
      endedEarly: z.boolean(),
    }),
  )
  .min(1);

/** Returns whether a directory is that of a sweep, which holds run directories and isn't one itself. */
export function isSweepDirectory(directory: string): boolean {
  const has = (file: string) => existsSync(path.join(directory, file));
  return has(SWEEP_FILE) && !has(RUN_FILE);
}

/**
 * Reads the results of a finished `eval --config` sweep, one for each task and model.
 *
 * @throws LlamaEtsError `ERR_INVALID_DATA`, with the file and the field
 */
export async function readSweep(directory: string): Promise<SweepResult[]> {
  const file = path.join(directory, SWEEP_FILE);
  let text: string;
  try {
    text = await readTextFile(file);
  } catch (error) {
    const message = `Could not read ${file}: ${whyUnreadable(error)}`;
    throw new LlamaEtsError("ERR_INVALID_DATA", message, {
      fix: "a directory of `llama-ets eval --config`",
      cause: error,
    });
  }
  return validate(sweepSchema, parseJson(text, file, "`eval --config` anew, with --resume"), file);
}
