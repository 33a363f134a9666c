/** What a worker has to draw with. It refuses an evaluation that needs something else. */
import { LlamaEtsError } from "../../engine/errors.js";
import { isBuiltIn } from "../../tasks/index.js";
import type { Task } from "../../tasks/task.js";
import type { Work } from "./protocol.js";

export interface Equipment extends Pick<Work, "model" | "proposal" | "reward"> {
  potentials: readonly string[];
  /** The worker's custom task, in addition to the built-in ones. */
  task: Task | null;
}

/** Returns why a worker can't draw for a run, or undefined if it can. */
export function refusalOf(work: Work, own: Equipment): LlamaEtsError | undefined {
  const refuse = (what: string, is: string, wanted: string, fix: string) =>
    new LlamaEtsError(
      "ERR_QUEUE",
      `The evaluation's ${what} is ${wanted}; this worker's is ${is}`,
      { fix },
    );
  if (work.model !== own.model) {
    return refuse(
      "model",
      `SHA-256 ${own.model}`,
      `SHA-256 ${work.model}`,
      "-m with the same file",
    );
  }
  if (work.proposal !== null && work.proposal !== own.proposal) {
    const is = own.proposal === null ? "none" : `SHA-256 ${own.proposal}`;
    return refuse("proposal", is, `SHA-256 ${work.proposal}`, "--proposal with the same file");
  }
  // For security a worker opens only the files and modules of its own options, never those that a queue
  // names.
  if (work.reward !== own.reward) {
    return refuse("reward", own.reward, work.reward, `--reward '${work.reward}'`);
  }
  const missing = work.potentials.find((name) => !own.potentials.includes(name));
  if (missing !== undefined) {
    const is = own.potentials.length === 0 ? "none" : own.potentials.join(", ");
    return refuse("potential or method's reward", is, missing, `--potential '${missing}'`);
  }
  if (!isBuiltIn(work.task) && own.task?.name !== work.task) {
    return refuse("task", own.task?.name ?? "none of its own", work.task, "--task module:FILE");
  }
  return undefined;
}
