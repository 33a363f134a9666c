// Builds the prebuilt files of one platform into prebuilds/PLATFORM-ARCH/: the addon, and on Linux and macOS
// the two files of the process that renders templates.
//
//   npm run prebuilds                     for this machine
//   npm run prebuilds -- --arch arm64     on Linux, by Debian's g++-aarch64-linux-gnu
//
// The build has its own folder, build/prebuild/PLATFORM-ARCH/, so that the build of the checkout isn't
// changed.
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { checkPrebuild, PREBUILT_FILES } from "./check-prebuilds.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const CROSS = { "linux-arm64": "aarch64-linux-gnu-", "linux-x64": "x86_64-linux-gnu-" };

const { values } = parseArgs({
  options: { arch: { type: "string", default: process.arch }, jobs: { type: "string" } },
});
const { arch, jobs = "max" } = values;
const platform = `${process.platform}-${arch}`;
const isCross = arch !== process.arch;
const prefix = isCross ? CROSS[platform] : "";
if (prefix === undefined) throw new Error(`${platform} can't be built on ${process.arch}`);

const work = path.join(ROOT, "build/prebuild", platform);
mkdirSync(work, { recursive: true });
for (const name of ["package.json", "binding.gyp", "native"]) {
  cpSync(path.join(ROOT, name), path.join(work, name), {
    recursive: true,
    preserveTimestamps: true,
  });
}
const modules = path.join(work, "node_modules");
if (!existsSync(modules)) symlinkSync(path.join(ROOT, "node_modules"), modules, "junction");

const tools = isCross && {
  CC: `${prefix}gcc`,
  CXX: `${prefix}g++`,
  AR: `${prefix}ar`,
  LINK: `${prefix}g++`,
};
// npm adds its own node-gyp to the PATH of scripts. Windows finds it only through a shell.
execFileSync("node-gyp", ["configure", "build", `--arch=${arch}`, "-j", jobs], {
  cwd: work,
  env: { ...process.env, ...tools },
  shell: process.platform === "win32",
  stdio: "inherit",
});

const out = path.join(ROOT, "prebuilds", platform);
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
for (const { name, mode } of PREBUILT_FILES.filter(({ isOn }) => isOn(platform))) {
  const file = path.join(out, name);
  copyFileSync(path.join(work, "build/Release", name), file);
  if (process.platform === "linux") execFileSync(`${prefix}strip`, ["--strip-unneeded", file]);
  if (process.platform === "darwin") {
    execFileSync("strip", ["-x", file]);
    // stripping invalidates the signature of the linker
    execFileSync("codesign", ["--force", "--sign", "-", file]);
  }
  chmodSync(file, mode);
  console.log(`${path.relative(ROOT, file)}: ${Math.ceil(statSync(file).size / 1024)} KiB`);
}
checkPrebuild(platform);
if (!isCross) process.dlopen({ exports: {} }, path.join(out, "llama_ets.node"));
console.log(`prebuilds/${platform} is complete`);
