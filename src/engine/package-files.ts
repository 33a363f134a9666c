/** Finds the files of this package in a checkout, in an installation and in an Electron app. */
import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

/** The package's directory. The relative path is the same from `src/` and from `dist/`. */
export const PACKAGE_ROOT = fileURLToPath(new URL("../../", import.meta.url));

/**
 * The real path of a file that may lie in an Electron app's archive. The system can't open files inside
 * `app.asar`, so electron-builder and forge put copies beside it, into `app.asar.unpacked`.
 */
export function unpackedPath(file: string): string {
  const unpacked = file.replace(/\.asar(?=[\\/])/, ".asar.unpacked");
  return unpacked !== file && existsSync(unpacked) ? unpacked : file;
}

/** A file of the package that the system opens, e.g. `models/mini-gsm-ref.gguf`. */
export function packageFile(name: string): string {
  return unpackedPath(path.join(PACKAGE_ROOT, name));
}

/** This platform's folder name in `prebuilds/`. */
export const PLATFORM = `${process.platform}-${process.arch}`;

/**
 * The existing compiled files of this name. A file that was built on this machine comes before one
 * that came with the package.
 */
export function compiledFiles(name: string): string[] {
  return [`build/Release/${name}`, `prebuilds/${PLATFORM}/${name}`]
    .map(packageFile)
    .filter((file) => existsSync(file));
}

/** The first of `compiledFiles`. */
export function compiledFile(name: string): string | undefined {
  return compiledFiles(name)[0];
}
