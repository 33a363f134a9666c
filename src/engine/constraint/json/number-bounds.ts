/** Numbers within the bounds of schemas. */
import { type Expression, literals } from "../expression.js";
import { refusal } from "../refusal.js";
import type { Alternative } from "./alternative.js";
import {
  ANY_INTEGER,
  ANY_NUMBER,
  integersBetween,
  type NumberBounds,
  numbersBetween,
} from "./number-texts.js";

const MAX_MULTIPLES = 1000;
const LARGEST = 1e15;
/** Formats of OpenAPI. `int32` bounds a number; the others only say how it is stored. */
const NUMBER_FORMATS = ["int32", "int64", "float", "double"];
const INT32 = 2 ** 31;

/** Numbers that are valid by an alternative, with up to fifteen digits before the point and ten after it. */
export function numberTexts(alternative: Alternative): Expression {
  const { parts } = alternative;
  const bounds = boundsOf(alternative);
  const multiples = new Set<number>();
  for (const { schema, pointer } of parts) {
    if (schema.multipleOf !== undefined) multiples.add(schema.multipleOf);
    const { format } = schema;
    if (format === undefined || NUMBER_FORMATS.includes(format)) continue;
    if (alternative.types.has("string")) continue;
    throw refusal(
      `The JSON schema at ${pointer} has the format \`${format}\` of numbers, which isn't known`,
      `one of ${NUMBER_FORMATS.join(", ")}`,
    );
  }
  multiples.delete(1);
  const isWhole = alternative.isWhole || parts.some(({ schema }) => schema.multipleOf === 1);
  const [multiple] = multiples;
  if (multiple !== undefined) return multiplesOf(multiple, multiples.size, isWhole, bounds, parts);
  const { min, max } = bounds;
  const isFree = min === Number.NEGATIVE_INFINITY && max === Number.POSITIVE_INFINITY;
  const isFine = !isWhole && (isTooFine(min) || isTooFine(max));
  if (min >= LARGEST || max <= -LARGEST || isFine) {
    throw refusal(
      `The JSON schema at ${parts[0]?.pointer} has a bound of more digits than are written`,
      "bounds of up to fifteen digits before the point and ten after it",
    );
  }
  if (isWhole) return isFree ? ANY_INTEGER : integersBetween(...wholeBounds(bounds));
  return isFree ? ANY_NUMBER : numbersBetween(bounds);
}

function isTooFine(bound: number): boolean {
  return Number.isFinite(bound) && bound !== 0 && Math.abs(bound) < 1e-6;
}

function wholeBounds({ min, max, isAboveMin, isBelowMax }: NumberBounds): [number, number] {
  const low = isAboveMin && Number.isInteger(min) ? min + 1 : min;
  const high = isBelowMax && Number.isInteger(max) ? max - 1 : max;
  return [low, high];
}

function multiplesOf(
  multiple: number,
  count: number,
  isWhole: boolean,
  bounds: NumberBounds,
  parts: Alternative["parts"],
): Expression {
  const [low, high] = wholeBounds(bounds);
  const first = Math.ceil(low / multiple);
  const last = Math.floor(high / multiple);
  const canList = Number.isInteger(multiple) && count === 1 && last - first < MAX_MULTIPLES;
  if (canList && Math.max(Math.abs(low), Math.abs(high)) <= LARGEST) {
    const length = Math.max(0, last - first + 1);
    return literals(Array.from({ length }, (_, i) => String((first + i) * multiple)));
  }
  const pointer = parts.find(({ schema }) => schema.multipleOf !== undefined)?.pointer;
  throw refusal(
    `The JSON schema at ${pointer} has \`multipleOf\` of ${multiple}, which a grammar can't say${isWhole ? "" : " of fractions"}`,
    `minimum and maximum between which there are at most ${MAX_MULTIPLES} whole multiples, or enum`,
  );
}

function boundsOf({ parts }: Alternative): NumberBounds {
  const bounds = {
    min: Number.NEGATIVE_INFINITY,
    max: Number.POSITIVE_INFINITY,
    isAboveMin: false,
    isBelowMax: false,
  };
  const atLeast = (min: number, isOutside: boolean) => {
    if (min > bounds.min || (min === bounds.min && isOutside)) {
      Object.assign(bounds, { min, isAboveMin: isOutside });
    }
  };
  const atMost = (max: number, isOutside: boolean) => {
    if (max < bounds.max || (max === bounds.max && isOutside)) {
      Object.assign(bounds, { max, isBelowMax: isOutside });
    }
  };
  for (const { schema } of parts) {
    if (schema.minimum !== undefined) atLeast(schema.minimum, false);
    if (schema.exclusiveMinimum !== undefined) atLeast(schema.exclusiveMinimum, true);
    if (schema.maximum !== undefined) atMost(schema.maximum, false);
    if (schema.exclusiveMaximum !== undefined) atMost(schema.exclusiveMaximum, true);
    if (schema.format === "int32") {
      atLeast(-INT32, false);
      atMost(INT32 - 1, false);
    }
  }
  return bounds;
}

/** The tightest value of a keyword in several schemas; undefined if none has it. */
export function tightest(
  parts: Alternative["parts"],
  keyword: string,
  among: (...values: number[]) => number,
): number | undefined {
  const values = parts.flatMap(({ schema }) =>
    schema[keyword] === undefined ? [] : [schema[keyword] as number],
  );
  return values.length === 0 ? undefined : among(...values);
}
