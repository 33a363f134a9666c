import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const SCRIPTS = new URL("../children/", import.meta.url);

/**
 * Runs a script of bench/children in a separate process and parses its last output as JSON. Each child opens
 * its own engine, so that its peak memory is measured separately.
 */
export async function runChild(script, settings, env = {}) {
  const file = fileURLToPath(new URL(script, SCRIPTS));
  const stdout = await run(process.execPath, [file, JSON.stringify(settings)], env);
  return JSON.parse(stdout.trim().split("\n").at(-1));
}

/** Runs a program to its end and returns its standard output. */
export function run(command, args, env = {}) {
  const child = spawn(command, args, {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"]) {
    child[name].setEncoding("utf8").on("data", (text) => {
      output[name] += text;
    });
  }
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      if (code === 0) return resolve(output.stdout);
      const end = output.stderr.trim().split("\n").slice(-5).join("\n");
      reject(new Error(`${command} ${args[0]} ended with ${signal ?? `code ${code}`}:\n${end}`));
    });
  });
}

/** Called by the child: returns its settings. */
export function childSettings() {
  return JSON.parse(process.argv[2]);
}

/** Called by the child: prints the result with its peak memory. */
export function answer(result) {
  const peakMiB = peakKiB() / 1024;
  process.stdout.write(`\n${JSON.stringify({ ...result, peakMiB })}\n`);
}

/**
 * Returns the peak memory of this process. On Linux maxRSS includes the parent's memory at the fork, so the
 * status file is read instead.
 */
function peakKiB() {
  const file = "/proc/self/status";
  const own = existsSync(file) && /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(file, "utf8"));
  return own ? Number(own[1]) : process.resourceUsage().maxRSS;
}
