/** Finds the addon's file and loads it. If that fails, the error says what this system lacks. */
import { existsSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { LlamaEtsError, messageOf } from "../errors.js";
import { compiledFiles, PLATFORM, packageFile } from "../package-files.js";

/**
 * The oldest versions of Linux's libraries that llama.cpp's prebuilt engines run with. The prebuilt addon
 * needs no newer ones (`scripts/check-prebuilds.mjs` checks this).
 */
export const FLOOR = { GLIBC: "2.34", GLIBCXX: "3.4.29", CXXABI: "1.3.13" } as const;

const ADDON = "llama_ets.node";
const FIX = "npx llama-ets build-addon (it says what it needs)";

let loadedFile: string | undefined;

/** Loads the addon. Throws `ERR_ENGINE_NOT_FOUND` if no file of it can be loaded. */
export function loadAddon(): unknown {
  const files = compiledFiles(ADDON);
  if (files.length === 0) throw noAddon();
  const require = createRequire(import.meta.url);
  const errors: unknown[] = [];
  for (const file of files) {
    try {
      const addon: unknown = require(file);
      loadedFile = file;
      return addon;
    } catch (error) {
      errors.push(error); // perhaps another system that shares this folder has built it
    }
  }
  throw notLoaded(errors[0]);
}

function notLoaded(error: unknown): LlamaEtsError {
  const cause = messageOf(error);
  const why = process.platform === "linux" ? belowFloor(glibcVersion(), cause) : undefined;
  return new LlamaEtsError(
    "ERR_ENGINE_NOT_FOUND",
    `The native addon could not be loaded: ${cause}${why === undefined ? "" : `. ${why}`}`,
    { fix: why === undefined ? FIX : "a newer system, or a container with one", cause: error },
  );
}

/** Says for `doctor` where the loaded addon comes from, and on which systems it runs. */
export function describeAddon(): string {
  const isPrebuilt = path.basename(path.dirname(loadedFile ?? "")) === PLATFORM;
  if (!isPrebuilt) return "built on this machine";
  const needs = ` (glibc ${FLOOR.GLIBC} and GLIBCXX_${FLOOR.GLIBCXX} or later)`;
  return `prebuilt for ${PLATFORM}${process.platform === "linux" ? needs : ""}`;
}

function noAddon(): LlamaEtsError {
  const prebuilds = packageFile("prebuilds");
  const there = existsSync(prebuilds) ? readdirSync(prebuilds).sort().join(", ") : "none";
  return new LlamaEtsError(
    "ERR_ENGINE_NOT_FOUND",
    `Expected a native addon for ${PLATFORM}; none was built, and the prebuilt ones are: ${there}`,
    { fix: FIX },
  );
}

/**
 * Says why this Linux can run neither the addon nor llama.cpp's prebuilt engines; undefined if its
 * libraries are new enough.
 *
 * @param glibc the version of glibc; undefined if the system has another C library
 * @param cause the message of the dynamic loader
 */
export function belowFloor(glibc: string | undefined, cause: string): string | undefined {
  const engines = "The addon and llama.cpp's prebuilt engines need";
  if (glibc === undefined) {
    return `${engines} glibc ${FLOOR.GLIBC} or later; this system has another C library (Alpine: musl)`;
  }
  const [major = 0, minor = 0] = glibc.split(".").map(Number);
  const [leastMajor = 0, leastMinor = 0] = FLOOR.GLIBC.split(".").map(Number);
  if (major < leastMajor || (major === leastMajor && minor < leastMinor)) {
    return `${engines} glibc ${FLOOR.GLIBC} or later (Debian 12, Ubuntu 22.04, RHEL 9); this system has ${glibc}`;
  }
  return /GLIBCXX_|CXXABI_|libstdc\+\+/.test(cause)
    ? `${engines} a libstdc++ with GLIBCXX_${FLOOR.GLIBCXX} (that of GCC 11 or later)`
    : undefined;
}

function glibcVersion(): string | undefined {
  const report = process.report?.getReport() as
    | { header?: { glibcVersionRuntime?: string } }
    | undefined;
  return report?.header?.glibcVersionRuntime;
}
