/**
 * The methods by name: what `ask`, evaluations and their help derive from. What is exported here is
 * part of the public API.
 */
import { checkObject, checkOneOf } from "../engine/check.js";
import { beam } from "./beam.js";
import { bestOfN } from "./best-of-n.js";
import type { Method } from "./define-method.js";
import { ets, etsIs } from "./ets.js";
import { majority } from "./majority.js";
import { mh } from "./mh.js";
import { ownNames } from "./options/given.js";
import { resolveOwn } from "./options/option.js";
import { particle } from "./particle.js";
import { power } from "./power.js";
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

/** The name of a method, as `ask --method` takes it. */
export type MethodName = keyof typeof ALL;

type OptionsTakenBy<M> = M extends (model: never, prompt: never, options?: infer O) => unknown
  ? O
  : never;
type Intersection<U> = (U extends unknown ? (value: U) => void : never) extends (
  value: infer I,
) => void
  ? I
  : never;

/** The options of all methods, of which each takes its own. */
export type MethodOptions = Partial<
  Intersection<Required<OptionsTakenBy<(typeof ALL)[MethodName]>>>
>;

/** A method whose name is known only when the program runs. */
export type AnyMethod = Method<MethodOptions>;

/** The methods by name: `METHODS[name](model, prompt, options)` runs one that is chosen at run time. */
export const METHODS = ALL as unknown as Readonly<Record<MethodName, AnyMethod>>;

/** The names of all methods. */
export const METHOD_NAMES = Object.keys(ALL) as MethodName[];

/**
 * Whether a method with these options has a reward of its own, where none is given.
 *
 * @throws LlamaEtsError `ERR_INVALID_OPTION`
 */
export function hasOwnReward(method: MethodName, options: object): boolean {
  const { own, defaultReward } = METHODS[checkOneOf("method", method, METHOD_NAMES)];
  const { constraint, constraintLaw } = checkObject("options", options) as MethodOptions;
  const isConditioned = constraint !== undefined && constraintLaw !== "masked";
  const values = resolveOwn(own, options as Record<string, unknown>);
  return (defaultReward?.(values, isConditioned) ?? null) !== null;
}

/**
 * Picks, among options that are meant for several methods, those that one of them takes.
 *
 * @throws LlamaEtsError `ERR_INVALID_OPTION`
 */
export function optionsFor(method: MethodName, options: MethodOptions): MethodOptions {
  const own = ownNames(METHODS[checkOneOf("method", method, METHOD_NAMES)]);
  const others = METHOD_NAMES.flatMap((name) => ownNames(METHODS[name]));
  const taken = Object.entries(checkObject("options", options)).filter(
    ([name]) => own.includes(name) || !others.includes(name),
  );
  return Object.fromEntries(taken);
}
