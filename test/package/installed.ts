/** The package as npm packs it, laid out as npm installs it, for programs that know no compiler. */
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { PREBUILT_FILES } from "../../scripts/check-prebuilds.mjs";
import { temporary } from "../fixtures/temporary-directory.js";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
export const PLATFORM = `${process.platform}-${process.arch}`;
const run = promisify(execFile);

export interface Packed {
  tarball: string;
  bytes: number;
  files: string[];
}

/** Packs what is committed and built. */
export async function pack(): Promise<Packed> {
  const args = ["pack", "--ignore-scripts", "--json", "--pack-destination", temporary("")];
  const { stdout } = await run("npm", args, { cwd: ROOT, maxBuffer: 64 << 20 });
  const [{ filename, size, files }] = JSON.parse(stdout) as [
    { filename: string; size: number; files: { path: string }[] },
  ];
  return { tarball: temporary(filename), bytes: size, files: files.map(({ path }) => path) };
}

/**
 * A project with the package installed. This checkout's addon stands in for the prebuilt one, which a
 * release builds from the same sources. Development's packages are not there.
 */
export async function install(tarball: string, project: string): Promise<void> {
  const modules = path.join(project, "node_modules");
  const home = path.join(modules, "llama-ets");
  mkdirSync(home, { recursive: true });
  await run("tar", ["--extract", "--strip-components=1", "--directory", home, "--file", tarball]);
  const prebuilt = path.join(home, "prebuilds", PLATFORM);
  mkdirSync(prebuilt, { recursive: true });
  for (const { name } of PREBUILT_FILES) {
    cpSync(path.join(ROOT, "build/Release", name), path.join(prebuilt, name));
  }
  for (const name of readdirSync(path.join(ROOT, "node_modules"))) {
    if (name === "llama-ets" || name === "@cortex-js" || name.startsWith(".")) continue;
    symlinkSync(path.join(ROOT, "node_modules", name), path.join(modules, name));
  }
  const bin = path.join(project, "bin");
  mkdirSync(bin);
  symlinkSync(process.execPath, path.join(bin, "node"));
  writeFileSync(path.join(project, "package.json"), "{}");
}

export interface Finished {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs Node in the project, with nothing but Node in its path. */
export async function node(
  project: string,
  args: readonly string[],
  input = "",
): Promise<Finished> {
  const child = run(path.join(project, "bin/node"), args, {
    cwd: project,
    env: { PATH: path.join(project, "bin"), HOME: temporary("home") },
    maxBuffer: 64 << 20,
  });
  child.child.stdin?.end(input);
  return child.then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: Finished) => ({ code: error.code, stdout: error.stdout, stderr: error.stderr }),
  );
}
