/** Reads the field `ets` of a request: the method and its options. */
import type { MethodOptions } from "../methods/registry.js";
import { PLAIN_REWARDS, parseReward } from "../rewards/named.js";
import { invalid } from "./errors.js";
import type { Body } from "./fields.js";
import { ASKED_METHODS, type Asked, isAsked, type Served } from "./model-names.js";
import { refusal } from "./option-errors.js";

/**
 * Options that a request's `ets` may not set, because they access files or have their own fields in the
 * request.
 */
const NOT_OVER_HTTP = [
  "signal",
  "onPlan",
  "onStep",
  "onText",
  "onWarning",
  "onProgress",
  "extract",
  "shortcuts",
  "chatTemplate",
  "preset",
  "raw",
  "system",
  "tools",
  "toolChoice",
  "proposal",
  "allowedTokens",
];

/** Returns whether a request's `ets` may set the option. */
export function isForRequests(option: string): boolean {
  return !NOT_OVER_HTTP.includes(option);
}

/**
 * Checks the field.
 *
 * @param named the method that the model's name asks for
 * @throws ApiError if the field contradicts the model's name, or sets what a request may not set
 */
export function readEtsField(ets: unknown, named: Asked, served: Served) {
  if (ets === undefined) return { method: named, options: {}, events: false };
  if (typeof ets !== "object" || ets === null || Array.isArray(ets)) {
    throw invalid("ets", "Expected `ets` to be an object");
  }
  const { method: given, events = false, ...options } = ets as Body;
  const isPlain = named === "sample";
  const method = given ?? (isPlain ? "ets" : named);
  if (!isAsked(method)) {
    throw invalid("ets.method", `Expected \`ets.method\` to be one of ${ASKED_METHODS.join(", ")}`);
  }
  if (!isPlain && given !== undefined && given !== named) {
    throw invalid("ets.method", `\`model\` names ${named}, and \`ets.method\` ${method}`);
  }
  if (typeof events !== "boolean")
    throw invalid("ets.events", "Expected `ets.events` to be a boolean");
  for (const name of Object.keys(options)) {
    if (isForRequests(name)) continue;
    throw invalid(
      `ets.${name}`,
      `\`ets.${name}\` can't be set by a request`,
      "unsupported_parameter",
    );
  }
  for (const name of ["reward", "potential"]) refuseFiles(name, (options as Body)[name]);
  if (options.diffusion !== undefined && served.kind !== "diffusion") {
    throw invalid("ets.diffusion", "`ets.diffusion` is for diffusion models");
  }
  return { method, options: options as MethodOptions, events };
}

/** Refuses rewards and potentials whose names open files, load models or need a task. */
function refuseFiles(name: string, expression: unknown): void {
  if (expression === undefined) return;
  if (typeof expression !== "string" || expression.length > 1000) {
    throw invalid(`ets.${name}`, `Expected \`ets.${name}\` to name a reward`);
  }
  let terms: ReturnType<typeof parseReward>;
  try {
    terms = parseReward(expression, `ets.${name}`);
  } catch (error) {
    throw refusal(error);
  }
  const reaching = terms.find(({ kind }) => !PLAIN_REWARDS.includes(kind));
  if (reaching === undefined) return;
  const { kind, needsItem } = reaching;
  const what = needsItem
    ? `\`${kind}\` judges by the items of a task, which a request has none of`
    : `\`${kind}:…\` can't be asked for by a request`;
  throw invalid(`ets.${name}`, what, "unsupported_value");
}
