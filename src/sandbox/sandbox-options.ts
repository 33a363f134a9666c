import { availableParallelism } from "node:os";
import { checkInteger, checkKeys, checkOneOf, checkSignal, optional } from "../engine/check.js";

const OS_NAMES = ["bubblewrap", "unshare", "none"] as const;
export type OsSandbox = (typeof OS_NAMES)[number];

/** The limits of generated programs, and how they are run. */
export interface SandboxOptions {
  /** How long a program may run, including its tests, in milliseconds from 100 to 600,000. Default 10,000. */
  timeoutMs?: number;
  /** Python's memory in MiB, from 64 to 4096. Default 512. */
  memoryMiB?: number;
  /** The number of programs tested at once, each with two processes. Default: one per core, at most 4. */
  concurrency?: number;
  /** The operating system's part of the isolation, for tests. Default: the best that is available. */
  os?: OsSandbox;
  /** Aborting rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** Throws `ERR_INVALID_OPTION`. */
export function resolveSandboxOptions(options: SandboxOptions) {
  checkKeys("sandbox", options, ["timeoutMs", "memoryMiB", "concurrency", "os", "signal"]);
  const { timeoutMs = 10_000, memoryMiB = 512, os } = options;
  const { concurrency = Math.min(4, availableParallelism()) } = options;
  return {
    timeoutMs: checkInteger("timeoutMs", timeoutMs, 100, 600_000),
    memoryMiB: checkInteger("memoryMiB", memoryMiB, 64, 4096),
    concurrency: checkInteger("concurrency", concurrency, 1, 64),
    os: os === undefined ? undefined : checkOneOf("os", os, OS_NAMES),
    signal: optional(checkSignal, "signal", options.signal),
  };
}
