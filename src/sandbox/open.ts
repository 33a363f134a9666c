/** The way into the sandbox for programs: its modules are loaded when one is first opened. */
import type { Sandbox } from "./sandbox.js";
import type { SandboxOptions } from "./sandbox-options.js";

/** A sandbox for generated Python programs. Throws `ERR_SANDBOX` when it can't be started. */
export async function openSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const { Sandbox } = await import("./sandbox.js");
  return Sandbox.open(options);
}
