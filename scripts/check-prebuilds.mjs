// Checks the prebuilt files of each platform, and that they run on the oldest supported systems.
//
//   node scripts/check-prebuilds.mjs PLATFORM…    e.g. linux-x64 win32-x64; exit code 1 says what is wrong
import { execFileSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { FLOOR } from "../dist/engine/local/load-addon.js";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

const isAny = () => true;
const isPosix = (platform) => !platform.startsWith("win32-");
/**
 * The files of a prebuild. `mode` differs because the program that renders templates is executed, not loaded.
 */
export const PREBUILT_FILES = [
  { name: "llama_ets.node", mode: 0o644, isOn: isAny },
  { name: "llama_ets_text.node", mode: 0o644, isOn: isPosix },
  { name: "llama_ets_text_process", mode: 0o755, isOn: isPosix },
];

/** Throws if a file is missing, can't be run, or needs a newer system. */
export function checkPrebuild(platform, directory = path.join(ROOT, "prebuilds", platform)) {
  for (const { name, mode, isOn } of PREBUILT_FILES) {
    if (!isOn(platform)) continue;
    const file = path.join(directory, name);
    if (!existsSync(file)) throw new Error(`Missing: ${file}. Try: npm run prebuilds`);
    if (process.platform !== "win32" && (statSync(file).mode & 0o111) < (mode & 0o111)) {
      throw new Error(`${file} can't be executed. Try: chmod ${mode.toString(8)} ${file}`);
    }
    if (!platform.startsWith("linux-")) continue;
    // objdump also reads the symbols of files for other processors.
    const symbols = execFileSync("objdump", ["--dynamic-syms", file], { encoding: "utf8" });
    for (const { library, version, symbol } of tooNew(symbols)) {
      throw new Error(
        `${file} asks for ${library} ${version} by ${symbol}; ${FLOOR[library]} is the floor`,
      );
    }
  }
}

/** Returns the symbols in the output of objdump that are newer than the oldest supported system. */
export function tooNew(symbols) {
  return symbols.split("\n").flatMap((line) => {
    const [, library, version, symbol] =
      /\((GLIBC|GLIBCXX|CXXABI|GCC)_([\d.]+)\)\s+(\S+)/.exec(line) ?? [];
    if (library === undefined || FLOOR[library] === undefined) return [];
    return isAbove(version, FLOOR[library]) ? [{ library, version, symbol }] : [];
  });
}

function isAbove(version, floor) {
  const [a, b] = [version, floor].map((text) => text.split(".").map(Number));
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    if ((a[i] ?? 0) !== (b[i] ?? 0)) return (a[i] ?? 0) > (b[i] ?? 0);
  }
  return false;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    for (const platform of process.argv.slice(2)) checkPrebuild(platform);
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
