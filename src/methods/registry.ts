/** The methods by name: what `ask`, evaluations and their help derive from. */
import { checkKeys } from "../engine/check.js";
import { LlamaEtsError } from "../engine/errors.js";
import { beam } from "./beam.js";
import { bestOfN } from "./best-of-n.js";
import type { Method } from "./define-method.js";
import { ets, etsIs } from "./ets.js";
import { majority } from "./majority.js";
import { type ReportTerms, WHOLE_TEXTS } from "./method.js";
import { mh } from "./mh.js";
import { particle } from "./particle.js";
import { power } from "./power.js";
import { ownNames, SHARED_NAMES } from "./resolve-options.js";
import { greedy, sample } from "./sample.js";

export { beam, bestOfN, ets, greedy, majority, mh, particle, power, sample };

const ALL = {
  ets,
  "ets-is": etsIs,
  "best-of-n": bestOfN,
  majority,
  beam,
  power,
  mh,
  particle,
  sample,
  greedy,
};

export type MethodName = keyof typeof ALL;

type OptionsOf<M> = M extends (model: never, prompt: never, options?: infer O) => unknown
  ? O
  : never;
type Intersection<U> = (U extends unknown ? (value: U) => void : never) extends (
  value: infer I,
) => void
  ? I
  : never;

/** The options of all methods, of which each takes its own. */
export type MethodOptions = Partial<Intersection<Required<OptionsOf<(typeof ALL)[MethodName]>>>>;

/** A method whose name is known only when the program runs. */
export type AnyMethod = Method<MethodOptions>;

export const METHODS = ALL as unknown as Readonly<Record<MethodName, AnyMethod>>;

export const METHOD_NAMES = Object.keys(ALL) as MethodName[];

const ALL_OWN_NAMES = [...new Set(METHOD_NAMES.flatMap((name) => ownNames(METHODS[name])))];

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
  checkKeys("options", options, [...SHARED_NAMES, ...ALL_OWN_NAMES]);
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

/** How reports tell of a method's steps, by a name that may be another version's. */
export function reportTermsOf(name: string): ReportTerms {
  return findMethod(name)?.reports ?? WHOLE_TEXTS;
}

/** Those among options meant for several methods that one of them takes. */
export function optionsFor(method: MethodName, options: MethodOptions): MethodOptions {
  const own = ownNames(METHODS[method]);
  const taken = Object.entries(options).filter(
    ([name]) => own.includes(name) || !ALL_OWN_NAMES.includes(name),
  );
  return Object.fromEntries(taken);
}
