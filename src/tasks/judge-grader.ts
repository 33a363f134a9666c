/** Grades with an instruct model, which judges whether an answer agrees with the reference answer. */
import { checkString } from "../engine/check.js";
import type { Model } from "../engine/engine.js";
import { LlamaEtsError } from "../engine/errors.js";
import { loadModel } from "../engine/load-model.js";
import { logOddsOf } from "../rewards/instruct-judge.js";
import { parseReward } from "../rewards/named.js";
import { askWithLetters } from "./choice-letters.js";
import { withoutThoughts } from "./outputs.js";
import { type Grader, type GraderOptions, openGraderOf, type Task, type TaskItem } from "./task.js";

/** Longer answers are cut in the middle, because the judge's context is limited. */
const MAX_CHARACTERS = 8000;

/** Checks the form `judge:GGUF`. Throws `ERR_INVALID_OPTION`. */
export function checkJudge(name: string, value: string): string {
  checkString(name, value);
  const [term, ...more] = value.startsWith("judge:") ? parseReward(value) : [];
  if (term?.kind === "judge" && term.weight === 1 && more.length === 0) return value;
  throw new LlamaEtsError(
    "ERR_INVALID_OPTION",
    `Expected \`${name}\` to be judge:GGUF, got ${value}`,
    { fix: "judge:model.gguf, an instruct model that reads the reference answer" },
  );
}

/**
 * Opens the task's own grader, or the named judge. The judge's model is loaded, and is disposed with the
 * grader.
 *
 * @param judge a checked `judge:GGUF`; undefined for the task's own grader
 * @throws LlamaEtsError as the task's `openGrader` and `loadModel` do; `ERR_INVALID_OPTION` for tasks
 *   whose answers are programs
 */
export async function openGraderBy(
  judge: string | undefined,
  task: Task,
  options: GraderOptions,
): Promise<Grader> {
  if (judge === undefined) return await openGraderOf(task, options);
  if (task.runsCode) {
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      `${task.name} is graded by tests, not by a judge`,
      { fix: "no --grader" },
    );
  }
  const [term] = parseReward(judge);
  const { signal } = options;
  const model = await loadModel(term?.argument ?? "", signal ? { signal } : {});
  try {
    return judgeGrader(task, model);
  } catch (error) {
    await model.dispose();
    throw error;
  }
}

/** Returns a grader with a judge model. Disposing the grader disposes the model. */
export function judgeGrader(task: Pick<Task, "extract">, model: Model): Grader {
  const logOdds = logOddsOf(model, ["Yes", "No"]);
  let last: Promise<unknown> = Promise.resolve();
  /** Asks the questions one after another, because a model scores one prompt at a time. */
  const ask = (question: string) => {
    const odds = last.then(() => logOdds(question));
    last = odds.catch(() => {});
    return odds;
  };
  return {
    async grade(item, text, form = "output") {
      const extracted = form === "answer" ? text : task.extract(text, item);
      const answer = withoutThoughts(text).trim();
      if (answer === "") return { extracted, correct: false, reason: "an empty answer" };
      const odds = await ask(questionOf(item, answer));
      const share = 1 / (1 + Math.exp(-odds));
      return {
        extracted,
        correct: odds > 0,
        reason: `the judge says Yes with probability ${share.toFixed(3)}`,
      };
    },
    [Symbol.asyncDispose]: () => model.dispose(),
  };
}

function questionOf({ prompt, choices, gold }: TaskItem, answer: string): string {
  const asked = choices === undefined ? prompt : askWithLetters(prompt, choices);
  const question = asked.trim() === "" ? "" : `Question:\n${asked}\n\n`;
  return `${question}Reference answer:\n${gold}\n\nAnswer to be graded:\n${shortened(answer)}\n\nDoes the answer to be graded come to the same result as the reference answer? Reply with Yes or No.`;
}

function shortened(text: string): string {
  const half = MAX_CHARACTERS / 2;
  return text.length <= MAX_CHARACTERS ? text : `${text.slice(0, half)}\n…\n${text.slice(-half)}`;
}
