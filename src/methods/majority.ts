import { LlamaEtsError } from "../engine/errors.js";
import { chainDemand } from "../planning/demands.js";
import { boundGuided } from "../planning/token-bounds.js";
import { answerOf } from "../rewards/answer.js";
import type { AnswerExtractor, Reward } from "../rewards/reward.js";
import { selfConsistency, VOTE_KINDS } from "../rewards/self-consistency.js";
import type { AdaptiveSettings } from "./adaptive.js";
import { defineMethod } from "./define-method.js";
import { drawComplete } from "./draw-complete.js";
import { oneStep, WHOLE_TEXTS } from "./method.js";
import { choiceOption, numberOption, type ValuesOf } from "./options/option.js";

const OWN = {
  /** What a text counts: `count`, one vote; `probability`, its own, once for each distinct text. */
  votes: choiceOption("votes", {
    choices: VOTE_KINDS,
    fallback: "count",
    flags: "--votes <kind>",
    help: "majority: count, or probability of the distinct texts (default: count)",
  }),
  /** Exponent of the probabilities, from 0.01 to 1: below 1 for long texts. Default 1. */
  voteExponent: numberOption("voteExponent", {
    min: 0.01,
    max: 1,
    fallback: 1,
    flags: "--vote-exponent <x>",
    help: "majority: exponent of the probabilities, below 1 for long texts (default: 1)",
  }),
};

/**
 * Self-consistency (Wang et al. 2023): draws `candidates` whole texts and returns the first with
 * the plurality of canonical answers; the first text when none gives an answer. Votes are counted, or
 * are the probabilities of the distinct texts. With `adaptive` it stops drawing once the vote is
 * settled.
 *
 * @example
 * const { answer, agreement } = await majority(model, "What is 6 * 7?", { candidates: 16 });
 *
 * @throws as `ets` does
 */
export const majority = defineMethod({
  name: "majority",
  summary: "draws whole texts and returns the first with the most frequent answer",
  own: OWN,
  guidance: ["candidates", "adaptive"],
  fixed: oneStep,
  reward: voteOf,
  check: ({ guidance: { adaptive }, own }) => {
    if (own.votes === "count" || own.voteExponent === 1 || adaptive === null) return;
    if (adaptive.rule === "unanimous") return;
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      "Votes by a power of the probability are never settled: what texts that weren't drawn would count isn't known",
      { fix: '`voteExponent: 1`, `votes: "count"`, or `adaptive: { rule: "unanimous" }`' },
    );
  },
  demand: chainDemand,
  bounds: boundGuided,
  reports: WHOLE_TEXTS,
  drawsIndependent: true,
  picks: true,
  run: (run) =>
    drawComplete(run, (texts) => {
      const { answer } = run.rewards.vote(texts);
      const isElected = (text: string) => answer !== null && run.rewards.answerOf(text) === answer;
      return Math.max(
        0,
        texts.findIndex(({ text }) => isElected(text)),
      );
    }),
});

function voteOf(
  extract: AnswerExtractor,
  adaptive: AdaptiveSettings | null,
  { votes, voteExponent }: ValuesOf<typeof OWN>,
): Reward {
  const vote = selfConsistency({ extract, singleton: 1, votes, voteExponent });
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
