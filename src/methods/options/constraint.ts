/** Resolves what a constraint changes in a run: its law, its end, and how its answers are compared. */
import { restrictsCalls } from "../../engine/chat/tool-choice.js";
import { checkBoolean, checkOneOf, optional } from "../../engine/check.js";
import type { CompiledConstraint, Constraint } from "../../engine/constraint/kinds.js";
import { LlamaEtsError } from "../../engine/errors.js";
import { extractAnswer } from "../../rewards/answer.js";
import type { AnswerExtractor } from "../../rewards/reward.js";
import { callVotes, jsonVotes, votedParts } from "../../rewards/vote-value.js";
import type { MethodFacts } from "../method.js";
import { CONSTRAINT_LAWS, type ConstraintLaw } from "./common.js";
import type { CompiledOptions } from "./given.js";

/** How the constraint changes the policy; null without a constraint. */
export function resolveConstraintLaw(
  { name, weighs = false }: MethodFacts,
  { constraint, constraintLaw, toolChoice }: CompiledOptions,
  isDiffusion: boolean,
): ConstraintLaw | null {
  const refuse = (message: string, fix: string) =>
    new LlamaEtsError("ERR_INVALID_OPTION", message, { fix });
  optional(
    (option, law) => checkOneOf(option, law, CONSTRAINT_LAWS),
    "constraintLaw",
    constraintLaw,
  );
  const isOfTools = constraint !== undefined && "kind" in constraint && constraint.kind === "tools";
  if (constraint !== undefined && !isOfTools && restrictsCalls(toolChoice)) {
    throw refuse(
      "`constraint` and `toolChoice` exclude each other: both say what the answer must be",
      'one of the two, or `toolChoice: "none"`',
    );
  }
  if (constraint === undefined) {
    if (constraintLaw === undefined || restrictsCalls(toolChoice)) return null;
    throw refuse("`constraintLaw` needs a `constraint`", "`constraint`, such as { words: 12 }");
  }
  if (isDiffusion) {
    throw refuse(
      "`constraint` needs an autoregressive model: a diffusion model doesn't write from left to right",
      "an autoregressive model, or a reward such as json-schema",
    );
  }
  if (constraintLaw === "conditioned" && !weighs) {
    throw refuse(
      `\`constraintLaw: "conditioned"\` needs weights, which ${name} has none of`,
      'constraintLaw: "masked", or ets, ets-is, particle, mh or power',
    );
  }
  return constraintLaw ?? (weighs ? "conditioned" : "masked");
}

/** Whether an answer that `maxTokens` cuts off is closed. */
export function resolveClose({ close = false, constraint }: CompiledOptions): boolean {
  if (!checkBoolean("close", close)) return false;
  if (constraint !== undefined && !("kind" in constraint && constraint.kind === "tools"))
    return true;
  throw new LlamaEtsError(
    "ERR_INVALID_OPTION",
    "`close` needs a `constraint`, which says how a text may end; calls of tools aren't closed",
    { fix: "`constraint`, such as { json: schema }" },
  );
}

/** How answers are found if the caller doesn't say it. Answers that are data are compared as data. */
export function votedAnswer({
  constraint,
  voteFields,
  voteExcept,
}: Pick<CompiledOptions, "constraint" | "voteFields" | "voteExcept">): AnswerExtractor {
  const parts = votedParts(voteFields, voteExcept);
  const calls = constraint !== undefined && "calls" in constraint ? constraint.calls : undefined;
  if (calls !== undefined) return callVotes(calls, parts);
  const isAsked = voteFields !== undefined || voteExcept !== undefined;
  const isJson = constraint !== undefined && isJsonConstraint(constraint);
  return isJson || isAsked ? jsonVotes(parts) : extractAnswer;
}

function isJsonConstraint(constraint: Constraint | CompiledConstraint): boolean {
  return "kind" in constraint ? constraint.kind === "json" : "json" in constraint;
}
