/** What `ask` is told on the command line. */
import type { MethodFlags } from "./method-flags.js";

/** Methods that `--method` takes. */
export { METHOD_NAMES } from "../methods/registry.js";

export interface AskFlags extends MethodFlags {
  method: string;
  task?: string;
  seed?: number;
  json?: boolean;
  quiet?: boolean;
  verbose?: boolean;
  trace?: string;
  report?: string;
}
