/** The options of ETS-IS. */
import { checkKeys, checkNumber, checkOneOf } from "../engine/check.js";
import { LlamaEtsError } from "../engine/errors.js";
import type { Sampling } from "../engine/sampling.js";
import type { MethodOptions } from "./options.js";

/** Throws `ERR_INVALID_OPTION`, also for options that are given without a proposal. */
export function resolveProposal(options: MethodOptions, sampling: Sampling, hasProposal: boolean) {
  const { proposal, weights = "exact", mixture = 0 } = options;
  if (!hasProposal) {
    const given = ["proposalSampling", "weights", "mixture"].find((name) => name in options);
    if (given !== undefined) {
      throw new LlamaEtsError("ERR_INVALID_OPTION", `\`${given}\` needs a \`proposal\``);
    }
  }
  return {
    proposal: proposal?.path ?? null,
    proposalSampling: hasProposal ? resolveProposalSampling(options, sampling) : null,
    weights: checkOneOf("weights", weights, ["exact", "psis", "clip"]),
    mixture: checkNumber("mixture", mixture, 0, 1),
  };
}

function resolveProposalSampling(options: MethodOptions, sampling: Sampling): Sampling {
  const { proposalSampling = {} } = options;
  checkKeys("proposalSampling", proposalSampling, ["temperature", "topK", "topP", "minP"]);
  const { temperature = sampling.temperature, topK = 0, topP = 1, minP = 0 } = proposalSampling;
  if (topK !== 0 || topP !== 1 || minP !== 0) {
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      "The proposal can't be truncated: texts it never draws would be missing from the energies, a bias that no weight corrects",
      { fix: "topK, topP and minP for the reference alone" },
    );
  }
  const own = proposalSampling.temperature !== undefined;
  if (temperature === 0 && !own) {
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      "A greedy reference (`temperature` 0) has one text, which a proposal of its temperature either draws or not",
      { fix: "`proposalSampling.temperature` above 0, or no proposal" },
    );
  }
  checkNumber("proposalSampling.temperature", temperature, 0.01, 100);
  return { ...sampling, temperature, topK, topP, minP };
}
