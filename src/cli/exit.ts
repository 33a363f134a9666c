/** Exit codes: 0 done; 1 the run failed; 2 bad usage; 130 interrupted. */
import { CommanderError } from "commander";
import pc from "picocolors";
import { LlamaEtsError } from "../engine/errors.js";

/** The reason of an abort by Ctrl-C. */
export class Interrupted extends Error {
  constructor() {
    super("Interrupted");
  }
}

/** Prints an error for a person and ends the process with its code. */
export function exitWith(error: unknown): void {
  if (error instanceof CommanderError) {
    // Commander has printed it; help and version end well.
    process.exitCode = error.exitCode === 0 ? 0 : 2;
    return;
  }
  if (error instanceof Interrupted) {
    process.exitCode = 130;
    return;
  }
  if (error instanceof LlamaEtsError) {
    const [message = "", ...fix] = error.message.split("\n");
    console.error(`${pc.red("error")} ${message} ${pc.dim(`(${error.code})`)}`);
    for (const line of fix) console.error(line);
    process.exitCode = error.code === "ERR_INVALID_OPTION" ? 2 : 1;
    return;
  }
  console.error(error);
  process.exitCode = 1;
}
