/** The description of a method, from which names, checks, plans, help and reports are derived. */
import type { DenoisingSettings } from "../chain/denoising.js";
import type { TokenMetric } from "../engine/sequences.js";
import type { Demand } from "../planning/context-plan.js";
import type { RunShape } from "../planning/run-shape.js";
import type { RunBounds } from "../planning/token-bounds.js";
import type { AnswerExtractor, Reward } from "../rewards/reward.js";
import type { AdaptiveSettings } from "./adaptive.js";
import type { CommonOptions } from "./options/common.js";
import type { GuidanceOption } from "./options/common-specs.js";
import type { OptionSpec, OwnOptions, ValuesOf } from "./options/option.js";
import type { Guidance, Resolved } from "./options/settings.js";
import type { MethodDiagnostics, Step } from "./step.js";

/** The numbers of a guided run that a method fixes. It leaves the others open. */
export type Fixed = Partial<Pick<Guidance, "candidates" | "rollouts" | "steps" | "blockTokens">>;

/** Why something can't be done, and what can. */
export interface Refusal {
  message: string;
  fix: string;
}

/** How reports describe a method's steps. */
export interface ReportTerms {
  /** Whether each step's candidates continue the one that was kept before. */
  continues: boolean;
  /** The meaning of `logEnergies`: estimated energies, or the numbers by which texts are compared. */
  energies: "log Ê" | "log weight";
  /** The numbers of a step that get their own lines. */
  shows: readonly ("rollouts" | "ess")[];
}

/** A method without its algorithm. */
export interface MethodFacts<O extends OwnOptions = OwnOptions> {
  /** The name that `--method` takes. */
  readonly name: string;
  /** One line of help. */
  readonly summary: string;
  /** The options that it alone takes, or shares with few. */
  readonly own: O;
  /** The options of guided runs that the method uses. Its help leaves out the others. */
  readonly guidance: readonly GuidanceOption[];
  /** The options of its proposal, if it has one. */
  readonly proposal?: Readonly<Record<string, OptionSpec>>;
  /** The option of its potential, if it can use one instead of rollouts. */
  readonly potential?: Readonly<Record<string, OptionSpec>>;
  /** The method that it becomes when it is given a proposal. */
  readonly withProposal?: MethodFacts;
  /** Defaults that differ from those common to all. */
  readonly defaults?: CommonOptions;
  /** Options that it sets, whatever is given. */
  readonly overrides?: CommonOptions;
  fixed?(maxTokens: number): Fixed;
  /** The reward of a method that takes none. */
  reward?(extract: AnswerExtractor, adaptive: AdaptiveSettings | null, own: ValuesOf<O>): Reward;
  /**
   * The reward where none is given; null: the votes of self-consistency, as without this.
   *
   * @param isConditioned whether a constraint conditions p_ref, which is a target of its own
   */
  defaultReward?(own: ValuesOf<O>, isConditioned: boolean): Reward | null;
  /** The metrics that an autoregressive model's texts must have for the method. Default: none. */
  metrics?(own: ValuesOf<O>): readonly TokenMetric[];
  /** Throws `ERR_INVALID_OPTION` for settings that don't go together. */
  check?(resolved: Resolved<ValuesOf<O>>): void;
  /** The demand, if the model is autoregressive. */
  demand(shape: RunShape): Demand;
  bounds(shape: RunShape, own: ValuesOf<O>): RunBounds;
  /** Texts that one of its batches adds a token to. Default: those that run side by side. */
  drawnAtOnce?(shape: RunShape): number;
  /** Why it can't run on a diffusion model with these settings; null if it can. */
  refusesDiffusion?(denoising: DenoisingSettings): Refusal | null;
  /** Whether it draws one text, whose drawn part never changes. */
  readonly drawsOneText?: boolean;
  /** Whether a diffusion model must keep the keys and values of all its texts at once. */
  readonly keepsAllTexts?: boolean;
  readonly reports: ReportTerms;
  /** Whether it has weights, by which p_ref can be conditioned on a constraint. */
  readonly weighs?: boolean;
  /** Whether its texts grow by the most probable tokens, which a model ranks, instead of drawn tokens. */
  readonly expands?: boolean;
  /**
   * Whether it chooses among whole texts that are drawn independently: the first k of them are what k
   * candidates would have been.
   */
  readonly drawsIndependent?: boolean;
  /** Whether it picks its text by rewards or probabilities, instead of drawing from a distribution. */
  readonly picks?: boolean;
  /** An estimate of the divergence of its text's law from p_ref, in nats; null if there is none. */
  divergence?(
    steps: readonly Step[],
    diagnostics: MethodDiagnostics,
    own: ValuesOf<O>,
  ): number | null;
}

/** What methods that draw whole texts fix. */
export function oneStep(maxTokens: number): Fixed {
  return { rollouts: 1, steps: 1, blockTokens: maxTokens };
}

/** How reports tell of methods that draw whole texts. */
export const WHOLE_TEXTS: ReportTerms = { continues: false, energies: "log weight", shows: [] };
