/** Strings within the bounds of schemas. */
import { type Expression, NEVER, repeat, sequence, text } from "../expression.js";
import { MAX_REPEATS } from "../limits.js";
import { excerpt, refusal } from "../refusal.js";
import { partialMatches } from "../regular-expression.js";
import type { Alternative } from "./alternative.js";
import { tightest } from "./number-bounds.js";
import { ANY_CHARACTER, escaped, FORMAT_NAMES, formatTexts, lengthsOf } from "./string-texts.js";

/** Strings that are valid by an alternative. With a `maxLength`, they have up to 2,000 characters. */
export function stringTexts({ parts, types }: Alternative): Expression {
  const min = tightest(parts, "minLength", Math.max) ?? 0;
  const max = tightest(parts, "maxLength", Math.min) ?? Number.POSITIVE_INFINITY;
  if (min > max) return NEVER;
  const where = parts[0]?.pointer ?? "#";
  const formed = formOf(parts, types.has("number"));
  if (formed !== undefined) {
    const lengths = lengthsOf(formed);
    if (lengths.min > max || lengths.max < min) return NEVER;
    if (lengths.min < min || lengths.max > max) {
      throw refusal(
        `The JSON schema at ${where} bounds a text by its length and by its pattern or format, which a grammar can't say together`,
        'the length in the pattern, such as "^[a-z]{1,20}$"',
      );
    }
    return sequence(text('"'), escaped(formed), text('"'));
  }
  if (min > MAX_REPEATS) {
    throw refusal(
      `The JSON schema at ${where} asks for ${min} characters, more than ${MAX_REPEATS}`,
      "a smaller minLength",
    );
  }
  const most = Number.isFinite(max) ? Math.min(max, MAX_REPEATS) : max;
  return sequence(text('"'), repeat(ANY_CHARACTER, min, most), text('"'));
}

/** The texts of the only pattern or format; undefined if there is none. */
function formOf(parts: Alternative["parts"], mayBeNumber: boolean): Expression | undefined {
  const forms = new Map<string, () => Expression | undefined>();
  for (const { schema, pointer } of parts) {
    const { pattern, format } = schema;
    if (pattern !== undefined)
      forms.set(`pattern ${pattern}`, () => patternTexts(pattern, pointer));
    if (format === undefined) continue;
    const texts = formatTexts(format);
    if (texts === undefined && !(mayBeNumber && /^(int32|int64|float|double)$/.test(format))) {
      throw refusal(
        `The JSON schema at ${pointer} has the format \`${excerpt(String(format))}\`, which isn't known`,
        `pattern, or one of ${FORMAT_NAMES.join(", ")}`,
      );
    }
    if (texts !== undefined && texts !== "any") forms.set(`format ${format}`, () => texts);
  }
  if (forms.size > 1) {
    throw refusal(
      `The JSON schema at ${parts[0]?.pointer} has ${[...forms.keys()].map((form) => `\`${excerpt(form)}\``).join(" and ")}, of which a grammar can say one`,
      "one pattern that says both",
    );
  }
  const [form] = forms.values();
  return form?.();
}

function patternTexts(pattern: string, pointer: string): Expression {
  try {
    return partialMatches(pattern);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const [message = "", fix = ""] = error.message.split("\nTry: ");
    throw refusal(
      `The JSON schema at ${pointer} has a \`pattern\` that a grammar can't say. ${message}`,
      fix,
      error,
    );
  }
}
