/** How a result describes its text: its quality, and the distribution (law) from which it is drawn. */
import type { Text } from "../../chain/chain.js";
import type { MethodFacts } from "../method.js";
import type { OwnOptions, ValuesOf } from "../options/option.js";
import type { Resolved } from "../options/settings.js";
import type { MethodDiagnostics, Step } from "../step.js";
import type { SeenText, Sighting } from "./seen-texts.js";

/**
 * The distribution from which a run's text is drawn. `target`: the method's target, as closely as its
 * candidates and moves allow. `biased`: a distribution near the target, because a potential replaces the
 * energies of `ets`, importance weights are treated or approximate, or a server may have tokenized texts
 * differently than it drew them (`usage.retokenised`). `none`: the text was picked (by best-of-n, by
 * `finish: "best"`, or because a budget ended the run), or it was closed (`close`).
 */
export type Law = "target" | "biased" | "none";

/** What indicates the quality of a run's texts; reports show it. */
export interface Evidence {
  /** Their answers: the reward votes, or the caller said where answers are (`extract`). */
  answers: boolean;
  /** Their rewards: the method sees one that doesn't vote. */
  rewards: boolean;
}

/**
 * The finished text of highest reward that a run has seen, the first of equals; where rewards come from
 * the pool of a step, as votes do, the first of the last step that has an equal.
 */
export interface BestText extends Sighting {
  text: string;
  answer: string | null;
  reward: number;
}

/** A text, with its reward if that is known. */
export type RewardedText = Text & { reward?: number };

export interface Outcome {
  law: Law;
  /**
   * The text's reward. A reward that depends on other texts (votes) is that in the pool of the text's step.
   * Null for methods without rewards, and for a text that a budget cut off or that was closed.
   */
  reward: number | null;
  /** The best text of the whole run, rollouts included; null where none was rewarded. */
  best: BestText | null;
  /** Estimate of KL(law of the text || p_ref), in nats; null where there is none. */
  divergence: number | null;
  evidence: Evidence;
}

/** Whether a method rewards its texts. */
export function seesRewards({ guidance, reward }: MethodFacts): boolean {
  return guidance.includes("reward") || reward !== undefined;
}

/** The law of the text of a run that is not ended early. */
export function lawOf({ picks, reports }: MethodFacts, { energy }: Pick<Resolved, "energy">): Law {
  const { potential, proposal } = energy;
  if (picks) return "none";
  const isGuessed = potential !== null && reports.continues;
  const isTreated =
    proposal !== null && (proposal.weights !== "exact" || proposal.ratio !== "exact");
  return isGuessed || isTreated ? "biased" : "target";
}

/** The facts about a run at its end. */
interface Ending {
  law: Law;
  reward: number | null;
  best: SeenText | null;
  steps: readonly Step[];
  diagnostics: MethodDiagnostics;
  answerOf: (text: string) => string | null;
}

export function outcomeOf(
  method: MethodFacts,
  { energy, own, policy }: Pick<Resolved, "energy" | "own" | "policy">,
  { law, reward, best, steps, diagnostics, answerOf }: Ending,
): Outcome {
  const { votes = false } = energy.reward;
  const hasRewards = seesRewards(method);
  // A text that replaced the method's own text has no law, so there is no divergence to estimate.
  const isReplaced = law === "none" && !method.picks;
  return {
    law,
    reward,
    best: best && {
      text: best.text.text,
      answer: answerOf(best.text.text),
      reward: best.reward,
      step: best.step,
      candidate: best.candidate,
      rollout: best.rollout,
    },
    // The weights don't contain the divergence that a constraint causes.
    divergence:
      isReplaced || policy.constraintLaw !== null
        ? null
        : (method.divergence?.(steps, diagnostics, own as ValuesOf<OwnOptions>) ?? null),
    evidence: {
      answers: energy.hasExtract || (hasRewards && votes),
      rewards: hasRewards && !votes,
    },
  };
}
