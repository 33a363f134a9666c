/**
 * Options as data: their names, their checks, and their flags on the command line. Checks, help texts and
 * the specs of evaluations (`ets:M=4`) are derived from them.
 */
import { checkInteger, checkNumber, checkOneOf } from "../../engine/check.js";

/** One flag of the command line. */
export interface Flag {
  /** As commander declares it: "-M, --candidates <n>". */
  readonly flags: string;
  readonly help: string;
  readonly kind: "number" | "text" | "texts" | "switch" | "template" | "constraint";
  /** The option that it sets, or a field of it: "candidates", "diffusion.blockLength". */
  readonly path: string;
}

export interface OptionSpec {
  /** None: programs alone can give it. */
  readonly flags: readonly Flag[];
  /** Its short name in the spec of a method: `M` in `ets:M=4`. */
  readonly letter?: string;
}

/** An option of a single method, with its own check. */
export interface OwnOption<T> extends OptionSpec {
  readonly fallback: T;
  /** Returns the value, or throws `ERR_INVALID_OPTION`. */
  check(name: string, value: unknown): T;
}

export type OwnOptions = Readonly<Record<string, OwnOption<unknown>>>;

/** The checked values of a method's own options. */
export type ValuesOf<O extends OwnOptions> = {
  readonly [Name in keyof O]: O[Name] extends OwnOption<infer T> ? T : never;
};

/** The values that a caller may give. */
export type GivenOf<O extends OwnOptions> = Partial<ValuesOf<O>>;

interface NumberRange {
  min: number;
  max: number;
  fallback: number;
  /** As commander declares it. */
  flags: string;
  help: string;
}

interface Choice<T> {
  choices: readonly T[];
  fallback: T;
  /** As commander declares it. */
  flags: string;
  help: string;
}

/** An own option that is a number from `min` to `max`. */
export function numberOption(path: string, range: NumberRange): OwnOption<number> {
  return ownNumber(path, range, checkNumber);
}

/** An own option that is an integer from `min` to `max`. */
export function integerOption(path: string, range: NumberRange): OwnOption<number> {
  return ownNumber(path, range, checkInteger);
}

/** An own option that is one of several words. */
export function choiceOption<const T extends string>(
  path: string,
  { choices, fallback, flags, help }: Choice<T>,
): OwnOption<T> {
  return {
    flags: [{ flags, help, kind: "text", path }],
    fallback,
    check: (name, value) => checkOneOf(name, value, choices),
  };
}

function ownNumber(
  path: string,
  { min, max, fallback, flags, help }: NumberRange,
  check: typeof checkNumber,
): OwnOption<number> {
  return {
    flags: [{ flags, help, kind: "number", path }],
    fallback,
    check: (name, value) => check(name, value, min, max),
  };
}

/** The checked values of own options, with the fallbacks of those that are not given. */
export function resolveOwn<O extends OwnOptions>(
  specs: O,
  given: Readonly<Record<string, unknown>>,
): ValuesOf<O> {
  const values = Object.entries(specs).map(([name, { fallback, check }]) => {
    const { [name]: value = fallback } = given;
    return [name, check(name, value)];
  });
  return Object.fromEntries(values) as ValuesOf<O>;
}
