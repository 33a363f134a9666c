/** What a result says of its text: how good it is, and what law it is a draw of. */
import type { Text } from "../../chain/chain.js";
import type { MethodFacts } from "../method.js";
import type { OwnOptions, ValuesOf } from "../options/option.js";
import type { Resolved } from "../options/settings.js";
import type { MethodDiagnostics, Step } from "../step.js";
import type { SeenText, Sighting } from "./seen-texts.js";

/**
 * What a run's text is a draw of. `target`: the law that its method states, as closely as its
 * candidates and moves come to it. `biased`: a law near that one, where a potential stands for the
 * energies of `ets`, importance weights are treated or approximate, or a server may have read texts as
 * other tokens than it drew (`usage.retokenised`). `none`: the text was picked, as by best-of-n, by
 * `finish: "best"`, or where a budget ended the run; or it was closed (`close`).
 */
export type Law = "target" | "biased" | "none";

/** What tells how good the texts of a run are; reports show it. */
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

/** A text, and its reward where that is known. */
export type RewardedText = Text & { reward?: number };

export interface Outcome {
  law: Law;
  /**
   * The text's reward; one that depends on others (votes) is that in the pool of its step. Null for
   * methods that see none, and for a text that a budget cut off or that was closed.
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

/** What the text of a run that goes to its end is a draw of. */
export function lawOf({ picks, reports }: MethodFacts, { energy }: Pick<Resolved, "energy">): Law {
  const { potential, proposal } = energy;
  if (picks) return "none";
  const isGuessed = potential !== null && reports.continues;
  const isTreated =
    proposal !== null && (proposal.weights !== "exact" || proposal.ratio !== "exact");
  return isGuessed || isTreated ? "biased" : "target";
}

/** What is known of a run once it ends. */
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
  // What was picked in the place of the method's own text has no law to estimate.
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
    // The weights say nothing of what a constraint alone takes away.
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
