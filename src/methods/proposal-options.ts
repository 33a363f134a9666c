/** The options of ETS-IS. */
import type { DenoisingSettings, ImportanceRatio } from "../chain/denoising.js";
import { checkKeys, checkNumber, checkOneOf } from "../engine/check.js";
import { CACHES } from "../engine/denoising-request.js";
import { LlamaEtsError } from "../engine/errors.js";
import type { Sampling } from "../engine/sampling.js";
import { type DiffusionOptions, resolveParallel } from "./diffusion-options.js";
import type { MethodOptions } from "./options.js";

/** How a diffusion model draws rollouts for ETS-IS: as the reference, but for these. */
export type ProposalDiffusionOptions = Pick<DiffusionOptions, "cache" | "parallel">;

/** Throws `ERR_INVALID_OPTION`, also for options that are given without a proposal. */
export function resolveProposal(
  options: MethodOptions,
  sampling: Sampling,
  diffusion: DenoisingSettings | null,
  hasProposal: boolean,
) {
  const { proposal, weights = "exact", mixture = 0 } = options;
  if (!hasProposal) {
    const names = ["proposalSampling", "proposalDiffusion", "ratio", "weights", "mixture"];
    const given = names.find((name) => name in options);
    if (given !== undefined) {
      throw new LlamaEtsError("ERR_INVALID_OPTION", `\`${given}\` needs a \`proposal\``);
    }
  }
  return {
    proposal: proposal?.path ?? null,
    proposalSampling: hasProposal ? resolveProposalSampling(options, sampling) : null,
    ...resolveProposalDiffusion(options, hasProposal ? diffusion : null),
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

function resolveProposalDiffusion(
  options: MethodOptions,
  diffusion: DenoisingSettings | null,
): { proposalDiffusion: DenoisingSettings | null; ratio: ImportanceRatio } {
  const { proposalDiffusion = {}, ratio } = options;
  if (diffusion === null) {
    if (options.proposalDiffusion !== undefined || (ratio ?? "exact") !== "exact") {
      const name = options.proposalDiffusion === undefined ? "ratio" : "proposalDiffusion";
      throw new LlamaEtsError("ERR_INVALID_OPTION", `\`${name}\` is for diffusion models`);
    }
    return { proposalDiffusion: null, ratio: checkOneOf("ratio", ratio ?? "exact", ["exact"]) };
  }
  if (diffusion.cache !== "none" || diffusion.parallel !== null) {
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      "ETS-IS weighs rollouts towards the exact reference; only its proposal may be approximated",
      { fix: "`cache` and `parallel` in `proposalDiffusion`" },
    );
  }
  if ((options.mixture ?? 0) > 0) {
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      "A mixture weighs each rollout under both models; what a cached pass would have drawn can't be told afterwards",
      { fix: "mixture: 0" },
    );
  }
  checkKeys("proposalDiffusion", proposalDiffusion, ["cache", "parallel"]);
  const { cache = "dual" } = proposalDiffusion;
  const parallel = resolveParallel("proposalDiffusion.parallel", proposalDiffusion.parallel);
  const factorises = diffusion.remasking === "random" && parallel === null;
  checkOneOf("ratio", ratio ?? "exact", ["exact", "approximate", "one-pass"]);
  if (ratio === "exact" && !factorises) {
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      "The exact ratio needs steps whose positions don't depend on the drawn tokens",
      {
        fix: '`remasking: "random"` without parallel decoding, or `ratio: "approximate"` or "one-pass" (biased)',
      },
    );
  }
  return {
    proposalDiffusion: {
      ...diffusion,
      cache: checkOneOf("proposalDiffusion.cache", cache, CACHES),
      parallel,
    },
    ratio: ratio === "one-pass" ? ratio : factorises ? "exact" : "approximate",
  };
}
