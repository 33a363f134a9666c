/** Objects that are valid by schemas. Their properties are in the schema's order. */
import {
  choice,
  complement,
  EMPTY,
  type Expression,
  intersection,
  isNever,
  NEVER,
  optional,
  repeat,
  sequence,
  set,
  text,
} from "../expression.js";
import { refusal } from "../refusal.js";
import { partialMatches } from "../regular-expression.js";
import { type Alternative, type Part, step } from "./alternative.js";
import { bracketed, list, SPACE, type Values } from "./containers.js";
import { cureFor } from "./keywords.js";
import { tightest } from "./number-bounds.js";
import { escaped, RAW_RANGES } from "./string-texts.js";

/** The schema of names, which are always strings. */
const A_STRING: Part = { schema: { type: "string" }, pointer: "a name" };

/** The most optional properties. Each may be the first one, so the grammar grows with their square. */
const MAX_OPTIONAL = 250;

interface Member {
  /** The expression of name, colon and value. */
  written: Expression;
  isRequired: boolean;
}

/**
 * Objects that are valid by an alternative. If a schema names properties, objects have other ones only if
 * `additionalProperties` explicitly allows them.
 *
 * @param whole the schemas by which the whole object must be valid
 */
export function objectTexts(
  alternative: Alternative,
  whole: readonly Part[],
  values: Values,
): Expression {
  const parts = alternative.parts;
  const required = new Set(parts.flatMap(({ schema }) => (schema.required ?? []) as string[]));
  const named = new Set(parts.flatMap(({ schema }) => Object.keys(schema.properties ?? {})));
  const names = [...new Set([...named, ...required])];
  checkUnevaluated(alternative, whole);
  const extra = extraOf(alternative, names, values);
  const isEvaluated = parts.some(({ schema }) => schema.unevaluatedProperties === false);
  const members: Member[] = [];
  for (const name of names) {
    const isRequired = required.has(name);
    const schemas = parts.flatMap((part) => schemasOf(part, name));
    const isForbidden = (schemas.length === 0 && isEvaluated) || !isNameValid(parts, name, values);
    const value = isForbidden ? NEVER : values.of(schemas);
    if (isNever(value) && isRequired) return NEVER;
    if (isNever(value)) continue;
    members.push({ written: sequence(text(`${JSON.stringify(name)}:`), SPACE, value), isRequired });
  }
  return counted(alternative, members, extra);
}

/** The schemas by which a property must be valid, according to one schema of the object. */
function schemasOf({ schema, pointer }: Alternative["parts"][number], name: string): Part[] {
  const properties = (schema.properties ?? {}) as Record<string, Part["schema"]>;
  const own = Object.hasOwn(properties, name) ? properties[name] : undefined;
  const patterns = Object.entries(
    (schema.patternProperties ?? {}) as Record<string, Part["schema"]>,
  );
  const matching = patterns.filter(([pattern]) => new RegExp(pattern, "u").test(name));
  const found: Part[] = matching.map(([pattern, of]) => ({
    schema: of,
    pointer: step(`${pointer}/patternProperties`, pattern),
  }));
  if (own !== undefined) found.push({ schema: own, pointer: step(`${pointer}/properties`, name) });
  const { additionalProperties: others } = schema;
  if (found.length > 0 || others === undefined) return found;
  return [{ schema: others, pointer: `${pointer}/additionalProperties` }];
}

function isNameValid(parts: Alternative["parts"], name: string, values: Values): boolean {
  return parts.every(({ schema, pointer }) => {
    const { propertyNames } = schema;
    if (propertyNames === undefined) return true;
    return values.isValid({ schema: propertyNames, pointer: `${pointer}/propertyNames` }, name);
  });
}

/** The expression of a property that isn't named; `NEVER` if there can't be one. */
function extraOf({ parts }: Alternative, names: readonly string[], values: Values): Expression {
  const open = parts.filter(({ schema }) => schema.additionalProperties !== undefined);
  const patterned = parts.filter(
    ({ schema }) => Object.keys(schema.patternProperties ?? {}).length > 0,
  );
  const isClosed = open.some(({ schema }) => schema.additionalProperties === false);
  const restricted = parts.filter(({ schema }) => schema.propertyNames !== undefined);
  const isEvaluated = parts.some(({ schema }) => schema.unevaluatedProperties === false);
  if (patterned.length > 0 && (isClosed || open.length === 0)) {
    return names.length > 0 ? NEVER : patternedMember(patterned, restricted, values);
  }
  if (isClosed || (open.length === 0 && (names.length > 0 || isEvaluated))) return NEVER;
  const [first] = patterned;
  if (first !== undefined)
    throw unsupported(first.pointer, "patternProperties beside additionalProperties");
  const [rule] = restricted;
  if (rule !== undefined && names.length > 0)
    throw unsupported(rule.pointer, "propertyNames beside properties");
  const key =
    rule === undefined
      ? anyNameBut(names)
      : values.of([...restricted.map(propertyNames), A_STRING]);
  const value = values.of(
    open.map(({ schema, pointer }) => ({
      schema: schema.additionalProperties,
      pointer: `${pointer}/additionalProperties`,
    })),
  );
  return sequence(key, text(":"), SPACE, value);
}

function propertyNames({ schema, pointer }: Alternative["parts"][number]): Part {
  return { schema: schema.propertyNames, pointer: `${pointer}/propertyNames` };
}

function patternedMember(
  patterned: Alternative["parts"],
  restricted: Alternative["parts"],
  values: Values,
): Expression {
  const [first] = patterned;
  const patterns = patterned.flatMap(({ schema, pointer }) =>
    Object.entries(schema.patternProperties as Record<string, Part["schema"]>).map(
      ([pattern, schema]) => ({
        pattern,
        part: { schema, pointer: step(`${pointer}/patternProperties`, pattern) },
      }),
    ),
  );
  const [only] = patterns;
  if (first === undefined || only === undefined) return NEVER;
  if (patterns.length > 1)
    throw unsupported(
      first.pointer,
      "more than one pattern in patternProperties, and no properties",
    );
  if (restricted.length > 0)
    throw unsupported(first.pointer, "propertyNames beside patternProperties");
  const key = sequence(text('"'), escaped(partialMatches(only.pattern)), text('"'));
  return sequence(key, text(":"), SPACE, values.of([only.part]));
}

/** Any other names than these, written without escapes. */
function anyNameBut(names: readonly string[]): Expression {
  const raw = set(RAW_RANGES);
  const isRaw = (name: string) => JSON.stringify(name) === `"${name}"`;
  return sequence(text('"'), notThese(names.filter(isRaw), raw), text('"'));
}

/** All texts of unescaped characters, except these texts. */
function notThese(texts: readonly string[], raw: Expression): Expression {
  if (texts.length === 0) return repeat(raw, 0);
  const groups = new Map<number, string[]>();
  for (const each of texts) {
    const first = each.codePointAt(0);
    if (first === undefined) continue;
    const rest = each.slice(String.fromCodePoint(first).length);
    groups.set(first, [...(groups.get(first) ?? []), rest]);
  }
  const others = complement([...groups.keys()].map((point) => [point, point] as const));
  const options = [...groups].map(([point, rests]) =>
    sequence(set([[point, point]]), notThese(rests, raw)),
  );
  const other = sequence(set(intersection(RAW_RANGES, others)), repeat(raw, 0));
  return choice([...(texts.includes("") ? [] : [EMPTY]), ...options, other]);
}

function counted(
  { parts }: Alternative,
  members: readonly Member[],
  extra: Expression,
): Expression {
  const min = tightest(parts, "minProperties", Math.max) ?? 0;
  const max = tightest(parts, "maxProperties", Math.min) ?? Number.POSITIVE_INFINITY;
  const least = members.filter(({ isRequired }) => isRequired).length;
  const most = isNever(extra) ? members.length : Number.POSITIVE_INFINITY;
  const pointer = parts[0]?.pointer ?? "#";
  if (least > max || most < min) return NEVER;
  if (members.length - least > MAX_OPTIONAL) {
    throw refusal(
      `The JSON schema at ${pointer} has ${members.length - least} optional properties, more than ${MAX_OPTIONAL}`,
      "required ones, or objects of fewer properties within it",
    );
  }
  if (members.length === 0) {
    // Two members with the same name count as one property, so a grammar can ensure only one property.
    if (min > 1) throw unsupported(pointer, "minProperties above 1 where no properties are named");
    return bracketed("{", isNever(extra) ? EMPTY : list(extra, min, max), "}");
  }
  if (most > max)
    throw unsupported(pointer, "maxProperties that is below the number of properties");
  if (least >= min) return bracketed("{", contents(members, extra, false), "}");
  if (min === 1) return bracketed("{", contents(members, extra, true), "}");
  throw unsupported(pointer, "minProperties above the number of required properties");
}

/** Members in their order, separated by commas; with `isFilled`, at least one. */
function contents(members: readonly Member[], extra: Expression, isFilled: boolean): Expression {
  const comma = sequence(text(","), SPACE);
  const extras = isNever(extra) ? EMPTY : repeat(sequence(comma, extra), 0);
  const after: Expression[] = [extras]; // what follows each member, built from the last one
  for (const { written, isRequired } of members.toReversed()) {
    const next = sequence(comma, written);
    after.unshift(sequence(isRequired ? next : optional(next), after[0] ?? EMPTY));
  }
  const firstRequired = members.findIndex(({ isRequired }) => isRequired);
  const starts = firstRequired === -1 ? members : members.slice(0, firstRequired + 1);
  const options = starts.map(({ written }, i) => sequence(written, after[i + 1] ?? EMPTY));
  if (firstRequired !== -1) return choice(options);
  if (!isNever(extra)) options.push(sequence(extra, extras));
  const all = choice(options);
  return isFilled ? all : optional(all);
}

/** Throws for `unevaluatedProperties`, unless it is false for the whole object, which is the default here. */
function checkUnevaluated({ parts }: Alternative, whole: readonly Part[]): void {
  for (const { schema, pointer } of parts) {
    const { unevaluatedProperties } = schema;
    if (unevaluatedProperties === undefined || unevaluatedProperties === true) continue;
    const isWhole = whole.length === 1 && whole[0]?.pointer === pointer;
    if (unevaluatedProperties === false && isWhole) continue;
    throw unsupported(
      pointer,
      "unevaluatedProperties within a part of the object's schema, or a schema of them",
    );
  }
}

function unsupported(pointer: string, what: string): Error {
  const keyword = /^\w+/.exec(what)?.[0] ?? what;
  return refusal(
    `The JSON schema at ${pointer} has ${what}, which a grammar can't say`,
    cureFor(keyword),
  );
}
