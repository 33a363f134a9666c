/** How many texts guidance draws, and where its steps end. */
import type { DenoisingSettings } from "../../chain/denoising.js";
import { checkBoolean, checkInteger, checkKeys, checkOneOf } from "../../engine/check.js";
import { resolveAdaptive } from "../adaptive.js";
import type { MethodFacts } from "../method.js";
import { resolveBlocks } from "./blocks.js";
import { FINISHES } from "./common.js";
import type { CompiledOptions } from "./given.js";
import type { Guidance } from "./settings.js";

const MAX_DRAWS = 4096;
const DEFAULT_CANDIDATES = 8;
/** The paper's default. */
const DEFAULT_BLOCK_TOKENS = 64;
/** Adaptive runs take as many as the vote needs, mostly far fewer. */
const DEFAULT_ADAPTIVE_CANDIDATES = 32;

/** Throws `ERR_INVALID_OPTION`. */
export function resolveGuidance(
  method: MethodFacts,
  options: CompiledOptions,
  maxTokens: number,
  denoising: DenoisingSettings | null,
): Guidance {
  const adaptive = resolveAdaptive(options.adaptive);
  const most = adaptive === null ? DEFAULT_CANDIDATES : DEFAULT_ADAPTIVE_CANDIDATES;
  const { candidates = most, rollouts = 1, finish = "chain" } = options;
  // An adaptive run ends once a vote is settled, so by default it has one step.
  const defaultBlock = adaptive !== null ? maxTokens : DEFAULT_BLOCK_TOKENS;
  const { shortcuts = {} } = options;
  checkKeys("shortcuts", shortcuts, ["prefixes", "duplicates", "decided", "answered"]);
  const { prefixes = true, duplicates = adaptive === null } = shortcuts;
  // With a constraint, a text that p_ref completes alone would lack the weights of its masses.
  const { decided = options.constraint === undefined, answered = true } = shortcuts;
  return {
    candidates: checkInteger("candidates", candidates, 1, MAX_DRAWS),
    rollouts: checkInteger("rollouts", rollouts, 1, MAX_DRAWS),
    finish: checkOneOf("finish", finish, FINISHES),
    adaptive,
    shortcuts: {
      prefixes: checkBoolean("shortcuts.prefixes", prefixes),
      duplicates: checkBoolean("shortcuts.duplicates", duplicates),
      decided: checkBoolean("shortcuts.decided", decided),
      answered: checkBoolean("shortcuts.answered", answered),
    },
    ...(options.potential !== undefined && { rollouts: 0 }),
    ...method.fixed?.(maxTokens),
    ...resolveBlocks(method, options, { maxTokens, defaultBlock, denoising }),
  };
}
