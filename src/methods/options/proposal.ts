/** The options of ETS-IS. */
import type { DenoisingSettings, ImportanceRatio } from "../../chain/denoising.js";
import type { WeightTreatment } from "../../energy/importance-sampling.js";
import { checkInteger, checkKeys, checkNumber, checkOneOf } from "../../engine/check.js";
import { CACHES } from "../../engine/denoising-request.js";
import type { Model } from "../../engine/engine.js";
import { LlamaEtsError } from "../../engine/errors.js";
import type { Sampling, SamplingOptions } from "../../engine/sampling.js";
import { type DiffusionOptions, resolveParallel } from "./diffusion.js";
import type { OptionSpec } from "./option.js";
import type { ProposalSettings } from "./settings.js";

/** How a diffusion model draws rollouts for ETS-IS: like the reference, except for these options. */
export type ProposalDiffusionOptions = Pick<DiffusionOptions, "cache" | "parallel">;

/** The model that draws the rollouts of ETS-IS, and how they are weighted. */
export interface ProposalOptions {
  /** A smaller model of the same tokenizer that draws the rollouts: ETS-IS. */
  proposal?: Model;
  /**
   * The proposal's temperature. Default: the reference's. Truncation (`topK`, `topP`, `minP`) is refused:
   * texts that the proposal can't draw would be missing from the energies, and no weight corrects this bias.
   */
  proposalSampling?: Omit<SamplingOptions, "allowedTokens">;
  /** What is approximated when a diffusion proposal draws. Default: `{ cache: "dual" }`, Fast-dLLM's. */
  proposalDiffusion?: ProposalDiffusionOptions;
  /**
   * The importance ratios of diffusion models. They are `exact` with random remasking and without parallel
   * decoding, otherwise `approximate` and biased. "exact" refuses settings that need approximate ratios.
   * "one-pass" takes one pass of each model over a rollout instead of one per denoising step, and is more
   * biased.
   */
  ratio?: ImportanceRatio;
  /**
   * How importance ratios become weights: `exact` (default; unbiased), `psis` (Pareto-smoothed) or
   * `clip` (log ratios within ±10, as the published code has it; biased).
   */
  weights?: WeightTreatment;
  /** Share of the rollouts that the reference draws itself, 0 (default) to 1. */
  mixture?: number;
  /**
   * γ, at least 1: the K rollouts of a candidate are weighted and resampled every γ tokens, instead of
   * weighted once at their ends (sequential Monte Carlo). This is also unbiased, and works for long rollouts
   * of a distant proposal. It needs at least 2 `rollouts` and exact weights of an autoregressive model.
   * Default: no resampling.
   */
  resampleEvery?: number;
}

export const PROPOSAL_OPTIONS = {
  /** Its flag names a file, which the commands load. */
  proposal: { flags: [] },
  proposalSampling: {
    flags: [
      {
        path: "proposalSampling.temperature",
        flags: "--proposal-temperature <x>",
        help: "ets-is: its temperature (default: --temperature)",
        kind: "number",
      },
    ],
  },
  proposalDiffusion: {
    flags: [
      {
        path: "proposalDiffusion.cache",
        flags: "--proposal-cache <kind>",
        help: "ets-is: the rollouts' --cache (default: dual)",
        kind: "text",
      },
      {
        path: "proposalDiffusion.parallel.threshold",
        flags: "--proposal-threshold <x>",
        help: "ets-is: the rollouts' --parallel-threshold",
        kind: "number",
      },
      {
        path: "proposalDiffusion.parallel.factor",
        flags: "--proposal-factor <x>",
        help: "ets-is: the rollouts' --parallel-factor",
        kind: "number",
      },
    ],
  },
  ratio: {
    flags: [
      {
        path: "ratio",
        flags: "--ratio <kind>",
        help: "ets-is: exact (refuses where it can't be), approximate, one-pass",
        kind: "text",
      },
    ],
  },
  weights: {
    flags: [
      {
        path: "weights",
        flags: "--weights <how>",
        help: "ets-is: exact, psis or clip (default: exact)",
        kind: "text",
      },
    ],
  },
  mixture: {
    flags: [
      {
        path: "mixture",
        flags: "--mixture <x>",
        help: "ets-is: share of rollouts the model draws itself (default: 0)",
        kind: "number",
      },
    ],
  },
  resampleEvery: {
    flags: [
      {
        path: "resampleEvery",
        flags: "--resample-every <n>",
        help: "ets-is: resample a candidate's rollouts every n tokens (default: never)",
        kind: "number",
      },
    ],
  },
} as const satisfies Record<keyof ProposalOptions, OptionSpec>;

/**
 * The proposal's settings.
 *
 * @param sampling the reference's
 * @param diffusion the reference's; null for an autoregressive one
 * @param rollouts of a candidate
 * @throws LlamaEtsError `ERR_INVALID_OPTION`
 */
export function resolveProposal(
  options: ProposalOptions,
  sampling: Sampling,
  diffusion: DenoisingSettings | null,
  rollouts: number,
): ProposalSettings {
  const { proposal, weights = "exact", mixture = 0 } = options;
  return {
    path: proposal?.path ?? null,
    sampling: resolveProposalSampling(options, sampling),
    ...resolveProposalDiffusion(options, diffusion),
    weights: checkOneOf("weights", weights, ["exact", "psis", "clip"]),
    mixture: checkNumber("mixture", mixture, 0, 1),
    resampleEvery: resolveResampling(options, diffusion, rollouts),
  };
}

function resolveResampling(
  { resampleEvery, weights = "exact", mixture = 0 }: ProposalOptions,
  diffusion: DenoisingSettings | null,
  rollouts: number,
): number | null {
  if (resampleEvery === undefined) return null;
  checkInteger("resampleEvery", resampleEvery, 1, 2 ** 24);
  const refuse = (message: string, fix: string) =>
    new LlamaEtsError("ERR_INVALID_OPTION", `\`resampleEvery\` ${message}`, { fix });
  if (diffusion !== null) {
    throw refuse("is for autoregressive models", "a ratio a rollout, without `resampleEvery`");
  }
  if (rollouts < 2) {
    throw refuse(
      "resamples the rollouts of a candidate against each other, of which there is one",
      "`rollouts` of 4 or more",
    );
  }
  if (weights !== "exact") {
    throw refuse(
      `weighs rollouts as they grow, and not by \`weights: "${weights}"\``,
      'weights: "exact"',
    );
  }
  if (mixture > 0) {
    throw refuse(
      "resamples the proposal's rollouts, and a mixture has the reference's too",
      "mixture: 0",
    );
  }
  return resampleEvery;
}

function resolveProposalSampling(options: ProposalOptions, sampling: Sampling): Sampling {
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
  options: ProposalOptions,
  diffusion: DenoisingSettings | null,
): Pick<ProposalSettings, "denoising" | "ratio"> {
  const { proposalDiffusion = {}, ratio } = options;
  const { ratio: given = "exact" } = options;
  checkOneOf("ratio", given, ["exact", "approximate", "one-pass"]);
  if (diffusion === null) {
    if (options.proposalDiffusion !== undefined || given !== "exact") {
      const name = options.proposalDiffusion === undefined ? "ratio" : "proposalDiffusion";
      throw new LlamaEtsError("ERR_INVALID_OPTION", `\`${name}\` is for diffusion models`);
    }
    return { denoising: null, ratio: "exact" };
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
    denoising: {
      ...diffusion,
      cache: checkOneOf("proposalDiffusion.cache", cache, CACHES),
      parallel,
    },
    ratio: ratio === "one-pass" ? ratio : factorises ? "exact" : "approximate",
  };
}
