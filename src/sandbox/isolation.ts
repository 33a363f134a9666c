/** Detects and applies what can confine an interpreter's process on this machine. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { codeOf } from "../engine/errors.js";
import type { OsSandbox } from "./sandbox-options.js";

const run = promisify(execFile);

export interface Isolation {
  /** The operating system's part. */
  os: OsSandbox;
  /** The whole isolation, in words. */
  description: string;
}

/** Seconds of processor time after which the kernel ends a process, in case its owner is gone. */
const CPU_SECONDS = 600;
/** The number of WebAssembly pages (64 KiB) per MiB. */
const PAGES_PER_MIB = 16;

const OS_SANDBOXES: Record<OsSandbox, { program: string; says: string }> = {
  bubblewrap: {
    program: "bwrap",
    says: "bubblewrap (no network, own processes, only its own files to read)",
  },
  unshare: { program: "unshare", says: "unshare (no network, own processes)" },
  none: {
    program: "",
    says: "no OS sandbox (the network is closed by WebAssembly alone; Linux: install bubblewrap)",
  },
};

/** Tries bubblewrap, then unshare. Rejects if the system can't start a process. */
export async function detectIsolation(only?: OsSandbox): Promise<Isolation> {
  const wanted: OsSandbox[] = only === undefined ? ["bubblewrap", "unshare"] : [only];
  for (const os of wanted) if (await works(os)) return describe(os);
  return describe("none");
}

function describe(os: OsSandbox): Isolation {
  const description = `Pyodide (WebAssembly) in processes of its own, Node's permission model, ${OS_SANDBOXES[os].says}`;
  return { os, description };
}

async function works(os: OsSandbox): Promise<boolean> {
  if (os === "none") return true;
  // Node itself: its libraries may lie where the confined process doesn't see them.
  const node = ["/bin/sh", "-c", 'exec "$0" --version', process.execPath];
  const [file, ...args] = confined(os, [], node);
  if (file === undefined || process.platform !== "linux") return false;
  try {
    await run(file, args, { env: nodeEnvironment(), timeout: 10_000 });
    return true;
  } catch (error) {
    // If the system can't start a process at the moment, we must not fall back to less isolation.
    if (codeOf(error) !== undefined && codeOf(error) !== "ENOENT") throw error;
    return false;
  }
}

/** Returns the whole environment of a confined Node process. */
export function nodeEnvironment(): Record<string, string> {
  // In an Electron app, `process.execPath` is Electron, which this variable makes behave like Node.
  return process.versions.electron === undefined ? {} : { ELECTRON_RUN_AS_NODE: "1" };
}

/**
 * The command line that runs `script` in a confined Node process. It can read only `files` and write
 * nothing: Node's permission model enforces this, and with bubblewrap also the system.
 */
export function confinedNode(
  { os }: Isolation,
  script: string,
  args: readonly string[],
  files: readonly string[],
  memoryMiB: number,
): string[] {
  const permission = process.allowedNodeEnvironmentFlags.has("--permission")
    ? "--permission"
    : "--experimental-permission";
  const node = [
    process.execPath,
    permission,
    ...files.map((file) => `--allow-fs-read=${file}`),
    // Python could escape from WebAssembly by running JavaScript from strings.
    "--disallow-code-generation-from-strings",
    `--wasm-max-mem-pages=${memoryMiB * PAGES_PER_MIB}`,
    `--max-old-space-size=${memoryMiB}`,
    // Programs are short, so to compile better code would cost more than it saves.
    "--liftoff-only",
    "--no-warnings",
    script,
    ...args,
  ];
  if (process.platform === "win32") return node;
  const limited = `ulimit -t ${CPU_SECONDS} -c 0 -f 0 2>/dev/null; exec "$0" "$@"`;
  return confined(os, files, ["/bin/sh", "-c", limited, ...node]);
}

function confined(os: OsSandbox, files: readonly string[], command: string[]): string[] {
  if (os === "none") return [...endingWithParent(), ...command];
  const program = find(OS_SANDBOXES[os].program);
  if (program === undefined) return [];
  if (os === "unshare") {
    return [
      ...endingWithParent(),
      program,
      ...["--user", "--map-user=65534", "--map-group=65534", "--net", "--pid", "--ipc", "--uts"],
      ...["--mount", "--fork", "--kill-child", "--", ...command],
    ];
  }
  const system = ["/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", ...filesOfNode()];
  return [
    program,
    ...["--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"],
    ...["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"],
    ...[...system, ...files].filter(existsSync).flatMap((file) => ["--ro-bind", file, file]),
    ...["--", ...command],
  ];
}

/** Returns Node's program and the files that it may need: libraries of its own prefix, or all of Electron. */
function filesOfNode(): string[] {
  const beside = process.versions.electron === undefined ? "../../lib" : "..";
  return [process.execPath, path.resolve(process.execPath, beside)];
}

/** Makes the kernel end the process when its parent is killed, if util-linux' setpriv is installed. */
function endingWithParent(): string[] {
  const setpriv = process.platform === "linux" ? find("setpriv") : undefined;
  return setpriv === undefined ? [] : [setpriv, "--pdeathsig", "KILL", "--"];
}

function find(program: string): string | undefined {
  const places = ["/usr/bin", "/bin", "/usr/local/bin"];
  return places.map((place) => path.join(place, program)).find((file) => existsSync(file));
}
