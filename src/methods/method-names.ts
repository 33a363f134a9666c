/** The methods: the options that are theirs alone, their defaults, and what each fixes. */
import type { DenoisingSettings } from "../chain/denoising.js";
import { LlamaEtsError } from "../engine/errors.js";
import type { MethodOptions, Settings } from "./options.js";

export const METHOD_NAMES = [
  ...(["ets", "ets-is", "best-of-n", "majority", "beam", "power", "mh", "particle"] as const),
  ...(["sample", "greedy"] as const),
] as const;

export type MethodName = (typeof METHOD_NAMES)[number];

/** Options that only some methods take; the others are common to all. */
const OWN_OPTIONS: Readonly<Record<string, readonly MethodName[]>> = {
  proposal: ["ets-is"],
  proposalSampling: ["ets-is"],
  proposalDiffusion: ["ets-is"],
  ratio: ["ets-is"],
  weights: ["ets-is"],
  mixture: ["ets-is"],
  lengthPenalty: ["beam"],
  alpha: ["power"],
  moves: ["power", "mh"],
};

export function takesOption(method: MethodName, option: string): boolean {
  return OWN_OPTIONS[option]?.includes(method) ?? true;
}

/** Throws `ERR_INVALID_OPTION` for an option of another method. */
export function checkOwnOptions(method: MethodName, options: object): void {
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || takesOption(method, name)) continue;
    const takers = OWN_OPTIONS[name] ?? [];
    // ETS-IS is `ets` with a proposal.
    const isProposals = method === "ets" && takers.includes("ets-is");
    const why = isProposals ? "needs a `proposal`" : `is for ${takers.join(", ")}, not ${method}`;
    throw new LlamaEtsError("ERR_INVALID_OPTION", `\`${name}\` ${why}`);
  }
}

/** Throws `ERR_INVALID_OPTION` for what a method can't do on a diffusion model. */
export function checkDiffusionMethod(
  method: MethodName,
  { parallel }: Pick<DenoisingSettings, "parallel">,
): void {
  const refuse = (message: string, fix: string): never => {
    throw new LlamaEtsError("ERR_INVALID_OPTION", message, { fix });
  };
  if (method === "power") {
    refuse(
      "power needs an autoregressive model: the p(x) that it raises to α is, of a diffusion model, a sum over all ways to unmask x",
      "ets, mh, particle or another method",
    );
  }
  if (method === "beam" && parallel !== null) {
    refuse(
      "beam compares texts of which as many tokens are known, which `diffusion.parallel` leaves to each",
      "fewer `diffusion.denoisingSteps`",
    );
  }
}

/** Defaults that differ from those common to all. */
const DEFAULTS: Partial<Record<MethodName, MethodOptions>> = {
  beam: { temperature: 1 },
  power: { temperature: 1, candidates: 1, steps: 16 },
};

/** The options with others for those that are not given; I and B stand for one another. */
export function withDefaults(defaults: MethodOptions, options: MethodOptions): MethodOptions {
  const given = Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  );
  if (!("steps" in given) && !("blockTokens" in given)) return { ...defaults, ...given };
  const { steps: _, blockTokens: __, ...rest } = defaults;
  return { ...rest, ...given };
}

export function withMethodDefaults(method: MethodName, options: MethodOptions): MethodOptions {
  return withDefaults(DEFAULTS[method] ?? {}, options);
}

type Fixed = Partial<Pick<Settings, "candidates" | "rollouts" | "steps" | "blockTokens">>;

export function fixSettings(method: MethodName, { maxTokens }: Settings): Fixed {
  const oneStep = { rollouts: 1, steps: 1, blockTokens: maxTokens };
  switch (method) {
    case "ets":
    case "ets-is":
    case "particle":
      return {};
    case "beam":
    case "power":
      return { rollouts: 1 };
    case "sample":
    case "greedy":
      return { ...oneStep, candidates: 1 };
    default:
      return oneStep;
  }
}
