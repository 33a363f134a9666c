import { availableParallelism } from "node:os";
import { checkInteger, checkKeys, checkOneOf, checkSignal, optional } from "../engine/check.js";

const OS_NAMES = ["bubblewrap", "unshare", "none"] as const;
export type OsSandbox = (typeof OS_NAMES)[number];

/** What a generated program may take. */
export interface SandboxOptions {
  /** How long a program may run, its tests included; from 100 to 600,000. Default 10,000. */
  timeoutMs?: number;
  /** Python's memory, from 64 to 4096. Default 512. */
  memoryMiB?: number;
  /** Programs under test at once, each with two processes. Default: one a core, at most 4. */
  concurrency?: number;
  /** The operating system's part; for tests. Default: the best there is. */
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
