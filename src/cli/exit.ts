/** Exit codes: 0 success, 1 failure of the run, 2 wrong usage, 130 interrupted. */
import { CommanderError } from "commander";
import pc from "picocolors";
import { codeOf, LlamaEtsError, messageOf } from "../engine/errors.js";
import { printable } from "./printable.js";

/** The reason of an abort by Ctrl-C. */
export class Interrupted extends Error {
  constructor() {
    super("Interrupted");
  }
}

/** Aborts with `Interrupted` at the first Ctrl-C or SIGTERM; the second ends the process. */
export function interruptSignal(): AbortSignal {
  const interrupt = new AbortController();
  const onInterrupt = () => interrupt.abort(new Interrupted());
  process.once("SIGINT", onInterrupt);
  process.once("SIGTERM", onInterrupt);
  return interrupt.signal;
}

/** A listener for `beforeExit`: the event loop is empty, but there is no result yet. */
export function failStalled(): void {
  exitWith(
    new LlamaEtsError("ERR_REWARD", "The run can't go on: the reward's promise is never settled"),
  );
}

/** Prints an error for a person. */
export function printError({ message, code }: { message: string; code: string }): void {
  // The message may quote control characters of a file or a model.
  const [what = "", ...fix] = printable(message).trimEnd().split("\n");
  console.error(`${pc.red("error")} ${what} ${pc.dim(`(${code})`)}`);
  for (const line of fix) console.error(asFlags(line));
}

/**
 * Converts a fix for the command line. If it names an option of the library with its flag in brackets, only
 * the flag remains: "`raw: true` (--raw)" becomes "--raw", "blockTokens (-B) 8" becomes "-B 8".
 */
export function asFlags(fix: string): string {
  const forPrograms = /(?:`\w+(?:: [^`]+)?`|\b[a-z]+[A-Z]\w*|\b[a-z]+: \w+)/;
  return fix.replace(new RegExp(`${forPrograms.source} \\((--?[a-zA-Z][^()]*)\\)`, "g"), "$1");
}

/** Prints an error for a person and ends the process with its code. */
export function exitWith(error: unknown): void {
  if (error instanceof CommanderError) {
    // Commander has already printed the message. Help and version are no errors.
    process.exitCode = error.exitCode === 0 ? 0 : 2;
    return;
  }
  if (error instanceof Interrupted) {
    // The interrupted command has already reported its results.
    process.exitCode = 130;
    return;
  }
  const told = error instanceof LlamaEtsError ? error : faultOfMachine(error);
  if (told === null) console.error(error);
  else printError(told);
  process.exitCode = told?.code === "ERR_INVALID_OPTION" ? 2 : 1;
}

/** Returns the message for a resource that the operating system refused; null for other errors. */
function faultOfMachine(error: unknown): { message: string; code: string } | null {
  const code = codeOf(error) ?? "";
  // Node opens many modules of the package at once and may reach the limit of open files of the process or
  // the system.
  if (code === "EMFILE" || code === "ENFILE") {
    const message = `This process may open no more files: ${messageOf(error)}\nTry: ulimit -n 1024`;
    return { message, code };
  }
  if ((error as NodeJS.ErrnoException | null)?.syscall === "uv_cwd") {
    const message = "Expected absolute paths: the working directory was removed";
    const fix = "a directory that is there";
    return new LlamaEtsError("ERR_INVALID_OPTION", message, { fix, cause: error });
  }
  return null;
}

/**
 * Ignores one unhandled rejection of Node's own. With a limit of address space (`ulimit -v`), the parser of
 * Node's HTTP client can't allocate its memory. Node then leaves a rejected promise behind, even if the client
 * is only loaded, as `serve` does. Code that uses the client gets an error of its own.
 */
export function ignoreMissingHttpClient(): void {
  process.on("unhandledRejection", (reason) => {
    const isOfClient =
      reason instanceof RangeError && /internal\/deps\/undici/.test(reason.stack ?? "");
    if (!isOfClient) throw reason;
  });
}

let readerHasLeft = false;

/**
 * Returns whether the reader of standard output has closed it, as `head` does. The stream itself doesn't show
 * this, because Node resets `destroyed` of standard output right after a failed write.
 */
export function hasReaderLeft(): boolean {
  return readerHasLeft;
}

/**
 * Handles failed writes to standard output. A reader that closes it early is no error; any other failure,
 * such as a full disk, ends the run.
 */
export function watchOutput(): void {
  let isReported = false;
  process.stdout.on("error", (error) => {
    readerHasLeft = true;
    if (codeOf(error) === "EPIPE" || isReported) return;
    isReported = true;
    exitWith(
      new LlamaEtsError("ERR_WRITE", `The output was not written: ${error.message}`, {
        cause: error,
      }),
    );
  });
  process.stderr.on("error", () => {}); // No stream is left to report it.
}
