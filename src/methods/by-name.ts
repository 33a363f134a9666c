/** Looks up methods and options by names that may be invalid. */
import { checkKeys } from "../engine/check.js";
import { LlamaEtsError } from "../engine/errors.js";
import { type ReportTerms, WHOLE_TEXTS } from "./method.js";
import { GUIDANCE_OPTIONS } from "./options/common-specs.js";
import { ownNames, SHARED_NAMES } from "./options/given.js";
import { type AnyMethod, METHOD_NAMES, METHODS, type MethodName } from "./registry.js";

const OWN_NAMES = [...new Set(METHOD_NAMES.flatMap((name) => ownNames(METHODS[name])))];

/** The method with this name, or undefined. The name may be any string. */
export function findMethod(name: string): AnyMethod | undefined {
  return Object.hasOwn(METHODS, name) ? METHODS[name as MethodName] : undefined;
}

/**
 * Refuses options that no method takes.
 *
 * @throws LlamaEtsError `ERR_INVALID_OPTION`, with the nearest name
 */
export function checkAnyNames(options: object): void {
  checkKeys("options", options, [...SHARED_NAMES, ...OWN_NAMES]);
}

/**
 * Refuses options that no method takes, and those that only other methods take.
 *
 * @throws LlamaEtsError `ERR_INVALID_OPTION`
 */
export function checkTaken(method: MethodName, options: object): void {
  checkAnyNames(options);
  const own = [...SHARED_NAMES, ...ownNames(METHODS[method])];
  const becomes = METHODS[method].withProposal?.proposal ?? {};
  for (const [option, value] of Object.entries(options)) {
    if (value === undefined || own.includes(option) || option in becomes) continue;
    const takers = METHOD_NAMES.filter((name) => ownNames(METHODS[name]).includes(option));
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      `\`${option}\` is for ${takers.join(", ")}, not ${method}`,
    );
  }
}

/**
 * Refuses options of guided runs that the method doesn't use. For callers that set options for this method
 * only.
 *
 * @throws LlamaEtsError `ERR_INVALID_OPTION`
 */
export function checkUsed(method: MethodName, options: object): void {
  const uses = (name: MethodName, option: string) =>
    METHODS[name].guidance.some((used) => used === option);
  const unused = Object.entries(options).find(
    ([option, value]) => value !== undefined && option in GUIDANCE_OPTIONS && !uses(method, option),
  );
  if (unused === undefined) return;
  const users = METHOD_NAMES.filter((name) => uses(name, unused[0])).join(", ");
  throw new LlamaEtsError("ERR_INVALID_OPTION", `\`${unused[0]}\` is for ${users}, not ${method}`);
}

/** How reports describe a method's steps. The name may come from another version of the library. */
export function reportTermsOf(name: string): ReportTerms {
  return findMethod(name)?.reports ?? WHOLE_TEXTS;
}
