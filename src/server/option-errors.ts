/** Errors about the options of a request, under the names of the request's fields. */
import { LlamaEtsError, messageOf } from "../engine/errors.js";
import type { MethodOptions } from "../methods/registry.js";
import { ApiError, invalid } from "./errors.js";

/** The request's fields that set options of methods. */
const FIELD_OF: Readonly<Record<string, string>> = {
  maxTokens: "max_tokens",
  topP: "top_p",
  topK: "top_k",
  minP: "min_p",
  constraint: "response_format",
  reasoning: "reasoning_effort",
};

/** Refuses an option that a request sets in two places. */
export function refuseTwice(asked: MethodOptions, guided: MethodOptions): void {
  const twice = Object.keys(guided).find((name) => Object.hasOwn(asked, name));
  if (twice === undefined) return;
  const field = FIELD_OF[twice] ?? twice;
  throw invalid(`ets.${twice}`, `\`ets.${twice}\` and \`${field}\` say the same thing; give one`);
}

/**
 * Converts an error about an option to the answer that names the field; returns other errors unchanged.
 *
 * @param asked the options that the request's own fields set. All others come from its `ets`
 */
export function refusal(error: unknown, asked: MethodOptions = {}): unknown {
  if (!(error instanceof LlamaEtsError)) return error;
  if (error.code === "ERR_CONSTRAINT") {
    const param = asked.constraint === undefined ? "ets.constraint" : "response_format";
    return invalid(param, messageOf(error), "unsupported_constraint");
  }
  if (error.code !== "ERR_INVALID_OPTION") return error;
  const [, name = null] = /`([\w.]+)`/.exec(error.message) ?? [];
  const param = name !== null && Object.hasOwn(asked, name) ? (FIELD_OF[name] ?? name) : name;
  return new ApiError(400, "invalid_value", messageOf(error), { param });
}
