/** What `ask` is told on the command line. */
import type { DiffusionFlags } from "./diffusion-options.js";
import type { ModelFlags } from "./model-options.js";

/** Methods that `--method` takes. */
export { METHOD_NAMES } from "../methods/method-names.js";

export interface AskFlags extends ModelFlags, DiffusionFlags {
  method: string;
  proposal?: string;
  proposalTemperature?: number;
  proposalTopK?: number;
  proposalTopP?: number;
  proposalMinP?: number;
  weights?: string;
  mixture?: number;
  candidates?: number;
  rollouts?: number;
  steps?: number;
  blockTokens?: number;
  lambda?: number;
  maxTokens?: number;
  temperature?: number;
  topK?: number;
  topP?: number;
  minP?: number;
  reward: string;
  task?: string;
  finish?: string;
  adaptive?: boolean;
  stop?: string[];
  system?: string;
  raw?: boolean;
  thinking?: boolean;
  seed?: number;
  budgetTokens?: number;
  budgetMs?: number;
  json?: boolean;
  quiet?: boolean;
  verbose?: boolean;
  trace?: string;
}
