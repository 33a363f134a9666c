/** Keywords of JSON schemas: the type that each applies to, and those that a grammar can't express. */

export const TYPES = ["object", "array", "string", "number", "boolean", "null"] as const;
/** A JSON type. Integers are numbers here. */
export type Type = (typeof TYPES)[number];

/** Keywords that don't affect validity. Keywords that begin with `x-` don't either. */
const ANNOTATIONS = new Set([
  "title",
  "description",
  "default",
  "example",
  "examples",
  "deprecated",
  "readOnly",
  "writeOnly",
  "$comment",
  "$schema",
  "$id",
  "$anchor",
  "$defs",
  "definitions",
  "$vocabulary",
  "contentEncoding",
  "contentMediaType",
  "contentSchema",
  "discriminator",
  "externalDocs",
  "xml", // of OpenAPI
]);

/** Keywords for all types, which `SchemaDocument` handles. */
const COMBINING = ["type", "enum", "const", "$ref", "allOf", "anyOf", "oneOf", "nullable"];

const OF_TYPES: Readonly<Record<string, Type>> = {
  ...of("object", ["properties", "required", "additionalProperties", "patternProperties"]),
  ...of("object", ["propertyNames", "minProperties", "maxProperties", "unevaluatedProperties"]),
  ...of("array", [
    "items",
    "prefixItems",
    "additionalItems",
    "minItems",
    "maxItems",
    "uniqueItems",
  ]),
  ...of("string", ["minLength", "maxLength", "pattern"]),
  ...of("number", ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]),
};

/** Keywords that are supported only together with `enum` or `const`, and refused elsewhere. */
const UNSUPPORTED: Readonly<Record<string, Type | "any">> = {
  ...of("object", ["dependentRequired", "dependentSchemas", "dependencies"]),
  ...of("array", ["contains", "minContains", "maxContains", "unevaluatedItems"]),
  ...of("any", ["not", "if", "then", "else", "$dynamicRef", "$recursiveRef"]),
  ...of("any", ["$dynamicAnchor", "$recursiveAnchor"]),
};

const CURES: Readonly<Record<string, string>> = {
  not: "the values that are allowed, by enum or type",
  if: "anyOf with one alternative for each case",
  contains: "items, which all are to satisfy, or prefixItems",
  dependentRequired: "anyOf with one alternative for each case",
  dependentSchemas: "anyOf with one alternative for each case",
  dependencies: "anyOf with one alternative for each case",
};

function of<T>(type: T, names: readonly string[]): Record<string, T> {
  return Object.fromEntries(names.map((name) => [name, type]));
}

function isAnnotation(keyword: string): boolean {
  return ANNOTATIONS.has(keyword) || keyword.startsWith("x-");
}

/** The type whose values a keyword restricts; undefined if it isn't about exactly one type. */
export function typeOfKeyword(keyword: string): Type | undefined {
  return Object.hasOwn(OF_TYPES, keyword) ? OF_TYPES[keyword] : undefined;
}

/** The type that an unsupported keyword restricts; undefined for all other keywords. */
export function unsupportedFor(keyword: string): Type | "any" | undefined {
  return Object.hasOwn(UNSUPPORTED, keyword) ? UNSUPPORTED[keyword] : undefined;
}

const SUPPORTED = [...COMBINING, "format", ...Object.keys(OF_TYPES)];

/** The fix for an unsupported keyword, followed by the supported keywords. */
export function cureFor(keyword: string, cure = CURES[keyword]): string {
  return `${cure ?? "the schema without it"}. Supported are ${SUPPORTED.join(", ")}`;
}

/** The fix for an unknown keyword, which may be misspelled. */
export function unknownCure(keyword: string): string {
  const letters = (name: string) => name.toLowerCase().replaceAll(/[^a-z]/g, "");
  const near = SUPPORTED.find((name) => letters(name) === letters(keyword));
  return cureFor("", near === undefined ? "x- before a name of your own" : `\`${near}\``);
}

export function isKnown(keyword: string): boolean {
  return (
    isAnnotation(keyword) ||
    keyword === "format" ||
    COMBINING.includes(keyword) ||
    typeOfKeyword(keyword) !== undefined ||
    unsupportedFor(keyword) !== undefined
  );
}
