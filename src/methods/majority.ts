import { chainDemand } from "../planning/demands.js";
import { boundGuided } from "../planning/token-bounds.js";
import { type AnswerExtractor, answerOf } from "../rewards/answer.js";
import type { Reward } from "../rewards/reward.js";
import { selfConsistency } from "../rewards/self-consistency.js";
import type { AdaptiveOptions } from "./adaptive.js";
import { defineMethod } from "./define-method.js";
import { drawComplete } from "./draw-complete.js";
import { oneStep, WHOLE_TEXTS } from "./method.js";

/**
 * Self-consistency (Wang et al. 2023): draws `candidates` whole texts and returns the first with
 * the plurality of canonical answers; the first text when none gives an answer. With `adaptive` it
 * stops drawing once the vote is settled, by the Beta rule or a unanimous round.
 *
 * @throws as `ets` does
 */
export const majority = defineMethod({
  name: "majority",
  summary: "draws whole texts and returns the first with the most frequent answer",
  own: {},
  guidance: ["candidates", "adaptive"],
  fixed: oneStep,
  settles: ["beta", "unanimous"],
  reward: voteOf,
  demand: chainDemand,
  bounds: boundGuided,
  reports: WHOLE_TEXTS,
  picks: true,
  run: (run) =>
    drawComplete(run, (texts) => {
      const { answer } = run.vote(texts);
      const isElected = (text: string) => answer !== null && run.answerOf(text) === answer;
      return Math.max(
        0,
        texts.findIndex(({ text }) => isElected(text)),
      );
    }),
});

function voteOf(extract: AnswerExtractor, adaptive: Required<AdaptiveOptions> | null): Reward {
  const vote = selfConsistency({ extract, singleton: 1 });
  if (adaptive?.rule !== "unanimous") return vote;
  return {
    ...vote,
    isSettled: ({ pool }) => {
      const last = pool.slice(-adaptive.round);
      const answers = new Set(last.map(({ text }) => answerOf(text, extract)));
      return answers.size === 1 && !answers.has(null);
    },
  };
}
