/** Uses any instruct model as a judge: compares the probabilities of two answers to a question. */

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

/** The largest number of questions whose judgements are kept. */
const MAX_KNOWN = 4096;

/** A text that a judge is asked about. */
export interface JudgedText {
  /** The prompt of the policy, without the marks of its chat template. */
  prompt: string;
  text: string;
  isFinished: boolean;
}

/** Two texts that a judge is asked to compare. */
export interface ComparedTexts extends Pick<JudgedText, "prompt" | "isFinished"> {
  a: string;
  b: string;
}

/** The question to an instruct model, and its possible answers. */
export interface JudgeOptions {
  /** The question to the judge, as a user's message or as messages. Default: whether the text is good. */
  template?: (judged: JudgedText) => string | readonly ChatMessage[];
  /** The two possible answers, first the one for a good text. Default ["Yes", "No"]. */
  answers?: readonly [string, string];
}

/** The question to an instruct model about two texts, and the number of comparisons. */
export interface PairwiseJudgeOptions {
  /** The question about the two texts, as in `JudgeOptions`. Default: which of them is better. */
  template?: (compared: ComparedTexts) => string | readonly ChatMessage[];
  /** The answer for the first text and the one for the second text. Default ["A", "B"]. */
  answers?: readonly [string, string];
  /** The number of other texts with which each text of a pool is compared, from 1 to 4096. Default 2. */
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
 * at temperature 1. The reward has no bounds and is mostly from -10 to 10. With λ = 1, texts are weighted
 * by their odds. Disposing the reward does not dispose the model.
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
 * How much better a text is than other texts of its pool, in nats: the mean log-odds with which an instruct
 * model prefers it. Each text is compared with the next `opponents` texts of its pool, in both orders, so
 * that a preference for the first place cancels out. The reward of a single text is 0.
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

/** Pairs each of `count` texts with the next `opponents` texts in a ring; no pair occurs twice. */
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

/** Returns a function that gives the log-odds of two answers to a question. Throws `ERR_INVALID_OPTION`. */
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
  /** Keeps judgements, because a run asks about texts that have ended again at each step. */
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

/** The prompt without the texts of special tokens. */
function withoutMarks(prompt: string): string {
  return prompt.replace(/<\|[^|\n]{1,60}\|>/g, "").trim();
}
