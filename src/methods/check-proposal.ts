import type { Prompt, PromptOptions } from "../engine/chat/conversation.js";
import {
  checkInteger,
  checkKeys,
  checkModel,
  checkSignal,
  isDense,
  optional,
} from "../engine/check.js";
import type { Model } from "../engine/engine.js";
import { LlamaEtsError } from "../engine/errors.js";
import { checkRatios, type PairCheck } from "../planning/pair.js";
import { bestOfN } from "./best-of-n.js";

/** The number of texts that a check of a proposal draws, and their distributions. */
export interface CheckProposalOptions extends PromptOptions {
  /** Texts that the proposal draws for each prompt, from 2 to 256. Default 16. */
  texts?: number;
  /** The largest number of tokens of a text, from 1 to 4096. Default 64. */
  maxTokens?: number;
  /** The reference's temperature. Default 0.7, as for `ets`. */
  temperature?: number;
  /** The proposal's temperature. Default: the reference's. */
  proposalTemperature?: number;
  /** Default 0. */
  seed?: number;
  signal?: AbortSignal;
}

const NAMES = ["texts", "maxTokens", "temperature", "proposalTemperature", "seed", "signal"];
const PROMPT_NAMES = ["raw", "system", "reasoning"];

/**
 * Measures how far a proposal is from its reference, before a run of ETS-IS. The proposal draws a few texts
 * and the reference scores them, both without truncation.
 *
 * @example
 * const { klPerToken, halfLength } = await checkProposal(model, proposal, "What is 6 * 7?");
 *
 * @param prompts one prompt or several, similar to those of later runs
 * @throws LlamaEtsError `ERR_INVALID_OPTION`, `ERR_TOKENIZER_MISMATCH`, and what drawing throws
 */
export async function checkProposal(
  model: Model,
  proposal: Model,
  prompts: Prompt | readonly string[],
  options: CheckProposalOptions = {},
): Promise<PairCheck> {
  checkModel("model", model);
  checkModel("proposal", proposal);
  checkKeys("options of checkProposal", options, [...NAMES, ...PROMPT_NAMES]);
  const { texts = 16, maxTokens = 64, temperature = 0.7, seed = 0, signal } = options;
  const { proposalTemperature = temperature, raw, system, reasoning } = options;
  checkInteger("texts", texts, 2, 256);
  checkInteger("maxTokens", maxTokens, 1, 4096);
  checkInteger("seed", seed, 0, Number.MAX_SAFE_INTEGER);
  optional(checkSignal, "signal", signal);
  if (model.kind === "diffusion" || proposal.kind === "diffusion") {
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      "A pair is checked token by token; a diffusion model's ratio is of its denoising steps",
    );
  }
  model.matchTokenizer(proposal);
  const shaped = {
    ...(raw !== undefined && { raw }),
    ...(system !== undefined && { system }),
    ...(reasoning !== undefined && { reasoning }),
  };
  const all = isListOfPrompts(prompts) ? prompts : [prompts];
  const ratios: number[][][] = [];
  for (const [i, prompt] of all.entries()) {
    // Both models read the reference's prompt, whatever template the proposal has.
    const encoded = await model.encodePrompt(prompt, shaped);
    const { steps } = await bestOfN(proposal, encoded.tokens, {
      maxTokens,
      candidates: texts,
      temperature: proposalTemperature,
      seed: seed + i,
      reward: () => 0,
      ...(signal && { signal }),
    });
    const drawn = steps[0]?.candidates ?? [];
    const continuations = drawn.map(({ tokens }) => tokens);
    const scores = await model.score(encoded.tokens, continuations, { temperature });
    ratios.push(
      drawn.map(({ logProbs }, n) =>
        logProbs.map((logProb, t) => (scores[n]?.logProbs[t] as number) - logProb),
      ),
    );
  }
  return checkRatios(ratios);
}

function isListOfPrompts(prompts: Prompt | readonly string[]): prompts is readonly string[] {
  const isList = isDense(prompts) && prompts.length > 0;
  return isList && prompts.every((prompt) => typeof prompt === "string");
}
