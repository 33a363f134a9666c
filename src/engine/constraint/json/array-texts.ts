/** Arrays that are valid by schemas. */
import { EMPTY, type Expression, isNever, NEVER, optional, sequence, text } from "../expression.js";
import { MAX_REPEATS } from "../limits.js";
import { refusal } from "../refusal.js";
import { type Alternative, each, type Part, step } from "./alternative.js";
import { bracketed, list, SPACE, type Values } from "./containers.js";
import { cureFor } from "./keywords.js";
import { tightest } from "./number-bounds.js";

/** One schema's parts for items: the first ones, and the rest. */
interface Items {
  first: Part[];
  rest: Part | undefined;
}

/**
 * Arrays that are valid by an alternative. For `prefixItems` without `items`, the arrays have exactly
 * these items.
 */
export function arrayTexts(alternative: Alternative, values: Values): Expression {
  const { parts } = alternative;
  const all = parts.map(itemsOf);
  const prefix = Math.max(...all.map(({ first }) => first.length), 0);
  const isClosed = prefix > 0 && all.every(({ rest }) => rest === undefined);
  const least = tightest(parts, "minItems", Math.max);
  const bound = tightest(parts, "maxItems", Math.min) ?? Number.POSITIVE_INFINITY;
  const atMost = bound > MAX_REPEATS && Number.isFinite(bound) ? MAX_REPEATS : bound;
  const most = isClosed ? Math.min(atMost, prefix) : atMost;
  const min = least ?? Math.min(prefix, most);
  if (min > MAX_REPEATS) {
    throw refusal(
      `The JSON schema asks for ${min} items, more than ${MAX_REPEATS}`,
      "a smaller minItems",
    );
  }
  for (const { schema, pointer } of parts) {
    if (schema.uniqueItems === true && most > 1) {
      throw refusal(
        `The JSON schema at ${pointer} has \`uniqueItems\`, which a grammar can't say`,
        cureFor("uniqueItems", "an object of booleans, or the lists that are allowed by enum"),
      );
    }
  }
  const at = (i: number) =>
    values.of(all.flatMap(({ first, rest }) => first[i] ?? (rest === undefined ? [] : [rest])));
  const items = Array.from({ length: Math.min(prefix, most) }, (_, i) => at(i));
  const firstNever = items.findIndex(isNever);
  const rest = firstNever === -1 ? at(prefix) : NEVER;
  const written = firstNever === -1 ? items : items.slice(0, firstNever);
  const more = isNever(rest) ? 0 : Math.max(0, most - prefix);
  if (min > written.length + more) return NEVER;
  return bracketed("[", content(written, rest, min, more), "]");
}

/** At least `min` items: the given ones, then up to `more` further ones like `rest`. */
function content(
  items: readonly Expression[],
  rest: Expression,
  min: number,
  more: number,
): Expression {
  const restMin = Math.max(0, min - items.length);
  if (items.length === 0) return isNever(rest) ? EMPTY : list(rest, restMin, more);
  const tail = isNever(rest) || more === 0 ? EMPTY : list(rest, restMin, more);
  const isOptionalTail = restMin === 0 && tail !== EMPTY;
  const comma = sequence(text(","), SPACE);
  let after: Expression = EMPTY;
  if (tail !== EMPTY)
    after = isOptionalTail ? optional(sequence(comma, list(rest, 1, more))) : sequence(comma, tail);
  for (let i = items.length - 1; i > 0; i--) {
    const item = sequence(comma, items[i] ?? NEVER, after);
    after = i >= min ? optional(item) : item;
  }
  const whole = sequence(items[0] ?? NEVER, after);
  return min === 0 ? optional(whole) : whole;
}

function itemsOf({ schema, pointer }: Part): Items {
  if (typeof schema === "boolean") return { first: [], rest: undefined };
  const { items, prefixItems, additionalItems } = schema;
  const isOldTuple = Array.isArray(items);
  const first = isOldTuple
    ? each(items, step(pointer, "items"))
    : each(prefixItems, step(pointer, "prefixItems"));
  const rest = isOldTuple
    ? { schema: additionalItems, pointer: step(pointer, "additionalItems") }
    : { schema: items, pointer: step(pointer, "items") };
  return { first, rest: rest.schema === undefined ? undefined : rest };
}
