/** Tests whether the values written for one alternative of `oneOf` are never valid by another one. */
import type { AnySchemaObject } from "ajv";
import { type Alternative, type Part, step, writtenTypes } from "./alternative.js";

/** Whether a value is valid by a part. */
type IsValid = (part: Part, value: unknown) => boolean;

/** @param written the written alternative; by default its objects have only the named properties */
export function isDisjoint(written: Alternative, other: Alternative, isValid: IsValid): boolean {
  if (isListed(written)) return true; // each listed value is checked against the whole schema
  const shared = writtenTypes(written).filter((type) => other.types.has(type));
  return shared.every((type) => {
    if (type === "object") return areObjectsDisjoint(written, other, isValid);
    if (type === "number") return areNumbersDisjoint(written, other);
    return false;
  });
}

/** Whether `enum` or `const` lists the values of an alternative. */
export function isListed({ parts }: Alternative): boolean {
  return parts.some(({ schema }) => schema.enum !== undefined || schema.const !== undefined);
}

function areObjectsDisjoint(written: Alternative, other: Alternative, isValid: IsValid): boolean {
  const named = new Set(
    written.parts.flatMap(({ schema }) => Object.keys(schema.properties ?? {})),
  );
  const required = requiredBy(written);
  const isOpen =
    written.parts.some(({ schema }) => (schema.additionalProperties ?? false) !== false) ||
    named.size === 0;
  if (!isOpen && requiredBy(other).some((name) => !named.has(name) && !required.includes(name)))
    return true;
  return required.some((name) => {
    const values = valuesOf(written, name);
    const theirs = propertyOf(other, name);
    if (values !== undefined && theirs.length > 0) {
      return values.every((value) => !theirs.every((part) => isValid(part, value)));
    }
    return other.parts.some(
      ({ schema }) =>
        schema.additionalProperties === false &&
        schema.patternProperties === undefined &&
        !Object.hasOwn(schema.properties ?? {}, name),
    );
  });
}

function requiredBy({ parts }: Alternative): string[] {
  return parts.flatMap(({ schema }) => (schema.required as string[] | undefined) ?? []);
}

function propertyOf({ parts }: Alternative, name: string): Part[] {
  return parts.flatMap(({ schema, pointer }) => {
    const properties = (schema.properties ?? {}) as Record<string, AnySchemaObject | boolean>;
    const property = Object.hasOwn(properties, name) ? properties[name] : undefined;
    return property === undefined
      ? []
      : [{ schema: property, pointer: step(`${pointer}/properties`, name) }];
  });
}

/** The values that `const` or `enum` lists for a property; undefined if there is no list. */
function valuesOf(written: Alternative, name: string): unknown[] | undefined {
  for (const { schema } of propertyOf(written, name)) {
    if (typeof schema === "boolean") continue;
    if (schema.const !== undefined) return [schema.const];
    if (Array.isArray(schema.enum)) return schema.enum;
  }
  return undefined;
}

function areNumbersDisjoint(written: Alternative, other: Alternative): boolean {
  const [a, b] = [rangeOf(written), rangeOf(other)];
  return (
    a.max < b.min ||
    b.max < a.min ||
    (a.max === b.min && (a.isBelow || b.isAbove)) ||
    (b.max === a.min && (b.isBelow || a.isAbove))
  );
}

function rangeOf({ parts }: Alternative) {
  const range = {
    min: Number.NEGATIVE_INFINITY,
    max: Number.POSITIVE_INFINITY,
    isAbove: false,
    isBelow: false,
  };
  for (const { schema } of parts) {
    const { minimum = -Infinity, exclusiveMinimum = -Infinity } = schema;
    const { maximum = Infinity, exclusiveMaximum = Infinity } = schema;
    if (minimum > range.min) Object.assign(range, { min: minimum, isAbove: false });
    if (exclusiveMinimum >= range.min && exclusiveMinimum > -Infinity)
      Object.assign(range, { min: exclusiveMinimum, isAbove: true });
    if (maximum < range.max) Object.assign(range, { max: maximum, isBelow: false });
    if (exclusiveMaximum <= range.max && exclusiveMaximum < Infinity)
      Object.assign(range, { max: exclusiveMaximum, isBelow: true });
  }
  return range;
}
