/** Any instruct model as a judge: how much rather it answers one word than another. */

import type { ChatMessage } from "../engine/chat/messages.js";
import {
  checkFunction,
  checkInteger,
  checkKeys,
  checkModel,
  checkString,
} from "../engine/check.js";
import type { Model } from "../engine/engine.js";
import { LlamaEtsError } from "../engine/errors.js";
import type { Completion, Reward } from "./reward.js";

/** Judgements that are kept, of as many questions. */
const MAX_KNOWN = 4096;

/** What a judge is asked about a text. */
export interface JudgedText {
  /** What the policy read, without the marks of its chat template. */
  prompt: string;
  text: string;
  isFinished: boolean;
}

/** What a judge is asked about two texts. */
export interface ComparedTexts extends Pick<JudgedText, "prompt" | "isFinished"> {
  a: string;
  b: string;
}

/** What an instruct model is asked, and by which words it answers. */
export interface JudgeOptions {
  /** The question that the judge is asked, as a user's message or as messages. Default: whether it is good. */
  template?: (judged: JudgedText) => string | readonly ChatMessage[];
  /** What it may answer: the better text's answer first. Default ["Yes", "No"]. */
  answers?: readonly [string, string];
}

/** What an instruct model is asked about two texts, and how many comparisons there are. */
export interface PairwiseJudgeOptions {
  /** As `JudgeOptions`, of two texts. Default: which of them is better. */
  template?: (compared: ComparedTexts) => string | readonly ChatMessage[];
  /** What it answers for the first text and for the second. Default ["A", "B"]. */
  answers?: readonly [string, string];
  /** How many others of its pool each text is compared with, from 1 to 4096. Default 2. */
  opponents?: number;
}

const whether = ({ prompt, text, isFinished }: JudgedText) =>
  `Task:\n${prompt}\n\n${isFinished ? "Answer" : "Beginning of an answer"}:\n${text}\n\n${
    isFinished ? "Is this a good answer" : "Is this a good beginning of an answer"
  } to the task? Reply with Yes or No.`;

const which = ({ prompt, a, b, isFinished }: ComparedTexts) => {
  const what = isFinished ? "answer" : "beginning of an answer";
  return `Task:\n${prompt}\n\nA:\n${a}\n\nB:\n${b}\n\nWhich ${what} to the task is better? Reply with A or B.`;
};

/**
 * The log-odds, in nats, of an instruct model's two answers about a text: log p("Yes") - log p("No"),
 * at temperature 1. It has no bounds, and is mostly from -10 to 10: λ = 1 weighs texts by their odds.
 * Disposing the reward leaves the model to its owner.
 *
 * @example
 * await using critic = await loadModel("critic.gguf");
 * const result = await bestOfN(model, question, { reward: judge(critic) });
 *
 * @throws LlamaEtsError `ERR_INVALID_OPTION`; asked, `ERR_NO_CHAT_TEMPLATE`, `ERR_CONTEXT_FULL`,
 *   `ERR_UNSUPPORTED_MODEL`
 */
export function judge(model: Model, options: JudgeOptions = {}): Reward {
  checkKeys("judge", options, ["template", "answers"]);
  const { template = whether, answers = ["Yes", "No"] } = options;
  const logOdds = logOddsOf(model, answers);
  checkFunction("template", template);
  return {
    models: [model],
    name: "judge",
    async score({ prompt, pool }) {
      const read = withoutMarks(prompt);
      const scores: number[] = [];
      for (const { text, finishReason } of pool) {
        scores.push(
          await logOdds(template({ prompt: read, text, isFinished: finishReason !== null })),
        );
      }
      return scores;
    },
  };
}

/**
 * How much better than others of its pool a text is, in nats: the mean log-odds by which an instruct
 * model prefers it. Each text is compared with the next `opponents` of its pool, in both orders, so
 * that a preference for the first place cancels; of a text alone it is 0.
 *
 * @throws as `judge` does
 */
export function pairwiseJudge(model: Model, options: PairwiseJudgeOptions = {}): Reward {
  checkKeys("pairwiseJudge", options, ["template", "answers", "opponents"]);
  const { template = which, answers = ["A", "B"], opponents = 2 } = options;
  const logOdds = logOddsOf(model, answers);
  checkFunction("template", template);
  checkInteger("opponents", opponents, 1, 4096);
  return {
    models: [model],
    name: "pairwise-judge",
    isPooled: true,
    async score({ prompt, pool }) {
      const read = withoutMarks(prompt);
      const compare = async (one: Completion, other: Completion) => {
        if (one.text === other.text) return 0;
        const isFinished = one.finishReason !== null && other.finishReason !== null;
        const ask = (a: string, b: string) => logOdds(template({ prompt: read, a, b, isFinished }));
        return ((await ask(one.text, other.text)) - (await ask(other.text, one.text))) / 2;
      };
      const sums = pool.map(() => 0);
      const counts = pool.map(() => 0);
      for (const [i, j] of pairsOf(pool.length, opponents)) {
        const preference = await compare(pool[i] as Completion, pool[j] as Completion);
        for (const [at, value] of [
          [i, preference],
          [j, -preference],
        ] as const) {
          sums[at] = (sums[at] as number) + value;
          counts[at] = (counts[at] as number) + 1;
        }
      }
      return sums.map((sum, i) => sum / Math.max(1, counts[i] as number));
    },
  };
}

/** Each of `count` with the next `opponents` in a ring, no pair twice. */
function pairsOf(count: number, opponents: number): [number, number][] {
  const seen = new Set<string>();
  const pairs: [number, number][] = [];
  for (let distance = 1; distance <= Math.min(opponents, count - 1); distance++) {
    for (let i = 0; i < count; i++) {
      const j = (i + distance) % count;
      const name = `${Math.min(i, j)},${Math.max(i, j)}`;
      if (seen.has(name)) continue;
      seen.add(name);
      pairs.push([i, j]);
    }
  }
  return pairs;
}

type Ask = (question: string | readonly ChatMessage[]) => Promise<number>;

/** Asks for the log-odds of two answers to a question. Throws `ERR_INVALID_OPTION`. */
export function logOddsOf(model: Model, answers: readonly [string, string]): Ask {
  checkModel("model", model);
  const isPair = Array.isArray(answers) && answers.length === 2;
  const tokens = isPair
    ? answers.map((answer) => model.tokenize(checkString("answers", answer)))
    : [];
  const [first, second] = tokens;
  if (!first?.length || !second?.length || first.join() === second.join()) {
    throw new LlamaEtsError("ERR_INVALID_OPTION", "Expected `answers` to be two different texts", {
      fix: '["Yes", "No"]',
    });
  }
  /** Texts that have ended are judged anew at each step of a run. */
  const known = new Map<string, number>();
  return async (question) => {
    const name = JSON.stringify(question);
    const before = known.get(name);
    if (before !== undefined) return before;
    const scores = await model.score(question, [first, second]);
    const [yes = 0, no = 0] = scores.map(({ rawLogProbs }) =>
      rawLogProbs.reduce((sum, logProb) => sum + logProb, 0),
    );
    if (known.size >= MAX_KNOWN) known.clear();
    known.set(name, yes - no);
    return yes - no;
  };
}

/** A prompt as a reader without its template sees it: special tokens' texts are left out. */
function withoutMarks(prompt: string): string {
  return prompt.replace(/<\|[^|\n]{1,60}\|>/g, "").trim();
}
