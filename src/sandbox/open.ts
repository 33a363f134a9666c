/** Opens the sandbox for programs. Its modules are loaded on first use. */
import type { Sandbox } from "./sandbox.js";
import type { SandboxOptions } from "./sandbox-options.js";

/** Opens a sandbox for generated Python programs. Throws `ERR_SANDBOX` if it can't be started. */
export async function openSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const { Sandbox } = await import("./sandbox.js");
  return Sandbox.open(options);
}
