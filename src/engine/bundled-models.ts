/** The mini models that come with the package, so that a first run works offline. */
import { existsSync } from "node:fs";
import { packageFile } from "./package-files.js";

/** A bundled model. */
export interface BundledModel {
  name: string;
  path: string;
  /** Its purpose, as a phrase for people. */
  role: string;
}

const ROLES: Record<string, string> = {
  "mini-gsm-ref": "solves word problems; what `ask` uses without -m",
  "mini-gsm-proposal": "smaller and quicker, with the same tokenizer: a proposal for ets-is",
  "mini-gsm-llada": "a diffusion model; solves problems of two or three steps",
  "mini-gsm-verifier": "judges their solutions: for --reward model:mini-gsm-verifier",
};

/** The bundled proposal model of ETS-IS for `DEFAULT_MODEL`. */
export const BUNDLED_PROPOSAL = "mini-gsm-proposal";

/** This model was trained for answers of 56 tokens in blocks of 8. */
const BUNDLED_DIFFUSION = "mini-gsm-llada";

/** Lists the models that come with the package, without those whose files are missing. */
export function bundledModels(): BundledModel[] {
  return Object.entries(ROLES)
    .map(([name, role]) => ({ name, role, path: pathOf(name) }))
    .filter(({ path }) => existsSync(path));
}

/** The model used when none is named. */
export const DEFAULT_MODEL = "mini-gsm-ref";

/** Options that suit the bundled models. */
export interface BundledDefaults {
  task?: string;
  blockTokens?: number;
  maxTokens?: number;
  diffusion?: { blockLength: number };
}

/** Default options for a bundled model, whose texts are short; empty for any other model. */
export function bundledDefaults(source: string): BundledDefaults {
  if (!Object.hasOwn(ROLES, source)) return {};
  const ofAll = { task: "mini-gsm", blockTokens: 16 };
  if (source !== BUNDLED_DIFFUSION) return ofAll;
  return { ...ofAll, maxTokens: 56, diffusion: { blockLength: 8 } };
}

/** Replaces the name of a bundled model by its path, and returns any other source unchanged. */
export function resolveBundledName(source: string): string {
  return Object.hasOwn(ROLES, source) ? pathOf(source) : source;
}

function pathOf(name: string): string {
  return packageFile(`models/${name}.gguf`);
}
