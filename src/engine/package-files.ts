/** Where the files of this package lie, in a checkout, in an installation, and in an Electron app. */
import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

/** The package's directory, from `src/` as from `dist/`. */
export const PACKAGE_ROOT = fileURLToPath(new URL("../../", import.meta.url));

/**
 * The real path of a file that may lie in an Electron app's archive. The system can't open what is
 * inside `app.asar`; electron-builder and forge put such files beside it, into `app.asar.unpacked`.
 */
export function unpackedPath(file: string): string {
  const unpacked = file.replace(/\.asar(?=[\\/])/, ".asar.unpacked");
  return unpacked !== file && existsSync(unpacked) ? unpacked : file;
}

/** A file of the package that the system opens, e.g. `models/mini-gsm-ref.gguf`. */
export function packageFile(name: string): string {
  return unpackedPath(path.join(PACKAGE_ROOT, name));
}

/** As the folders of `prebuilds/` are named. */
export const PLATFORM = `${process.platform}-${process.arch}`;

/**
 * The compiled files of this name that there are: one that was built here goes before one that came
 * with the package.
 */
export function compiledFiles(name: string): string[] {
  return [`build/Release/${name}`, `prebuilds/${PLATFORM}/${name}`]
    .map(packageFile)
    .filter((file) => existsSync(file));
}

/** The first of them. */
export function compiledFile(name: string): string | undefined {
  return compiledFiles(name)[0];
}
