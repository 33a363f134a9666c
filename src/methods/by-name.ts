/** What is known of methods, and of options, by names that may be anything. */
import { checkKeys } from "../engine/check.js";
import { LlamaEtsError } from "../engine/errors.js";
import { type ReportTerms, WHOLE_TEXTS } from "./method.js";
import { GUIDANCE_OPTIONS } from "./options/common-specs.js";
import { ownNames, SHARED_NAMES } from "./options/given.js";
import { type AnyMethod, METHOD_NAMES, METHODS, type MethodName } from "./registry.js";

const OWN_NAMES = [...new Set(METHOD_NAMES.flatMap((name) => ownNames(METHODS[name])))];

/** What is known of a method by its name, which may be anything. */
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
 * Refuses options that no method takes, and those that others take.
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
 * Refuses options of guided runs that the method doesn't use, for those who set them for it alone.
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

/** How reports tell of a method's steps, by a name that may be another version's. */
export function reportTermsOf(name: string): ReportTerms {
  return findMethod(name)?.reports ?? WHOLE_TEXTS;
}
