/** The options of an evaluation, checked and filled in; those of its methods are checked later. */
import { checkBoolean, checkInteger, checkKeys, checkOneOf, checkString } from "../engine/check.js";
import { LlamaEtsError } from "../engine/errors.js";
import { Model } from "../engine/local/model.js";
import { parseReward } from "../rewards/named.js";
import type { EvaluateOptions } from "./evaluate.js";
import { GRADING_MODES } from "./run-files.js";

const KEYS = [
  ...["methods", "out", "resume", "data", "limit", "samples", "seed", "mode", "form", "queue"],
  ...["allowCodeExecution", "options", "reward", "proposal", "concurrency"],
  ...["signal", "onProgress", "onSample", "onWarning"],
];
const PROMPT_FORMS = ["chat", "paper"] as const;

/** The reward that is opened for each item, with the item's own way to find answers. */
export const DEFAULT_REWARD = "self-consistency";

/** Throws `ERR_INVALID_OPTION`. */
export function resolveEvaluateOptions(options: EvaluateOptions) {
  checkKeys("options", options, KEYS);
  const { proposal, data, queue, limit, reward = DEFAULT_REWARD } = options;
  if (proposal !== undefined && !(proposal instanceof Model)) {
    throw new LlamaEtsError("ERR_INVALID_OPTION", "Expected `proposal` to be a loaded model");
  }
  parseReward(reward);
  return {
    out: checkString("out", options.out),
    resume: checkBoolean("resume", options.resume ?? false),
    data: data === undefined ? undefined : checkString("data", data),
    queue: queue === undefined ? undefined : checkString("queue", queue),
    limit:
      limit === undefined ? undefined : checkInteger("limit", limit, 1, Number.MAX_SAFE_INTEGER),
    samples: checkInteger("samples", options.samples ?? 1, 1, 10_000),
    seed: checkInteger("seed", options.seed ?? 0, 0, Number.MAX_SAFE_INTEGER),
    mode: checkOneOf("mode", options.mode ?? "fair", GRADING_MODES),
    form: checkOneOf("form", options.form ?? "chat", PROMPT_FORMS),
    allowCodeExecution: checkBoolean("allowCodeExecution", options.allowCodeExecution ?? false),
    concurrency: checkInteger("concurrency", options.concurrency ?? 1, 1, 64),
    reward,
    proposal,
  };
}
