/** Texts inside JSON strings, and the formats of schemas. */
import {
  choice,
  complement,
  type Expression,
  intersection,
  type Range,
  repeat,
  sequence,
  set,
  text,
} from "../expression.js";
import { wholeMatches } from "../regular-expression.js";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const SHORT_ESCAPES: readonly (readonly [number, string])[] = [
  [0x08, "\\b"] as const,
  [0x09, "\\t"] as const,
  [0x0a, "\\n"] as const,
  [0x0c, "\\f"] as const,
  [0x0d, "\\r"] as const,
  [QUOTE, '\\"'] as const,
  [BACKSLASH, "\\\\"] as const,
];
const RAW = complement([
  [0, 0x1f],
  [QUOTE, QUOTE],
  [BACKSLASH, BACKSLASH],
  [0x7f, 0x7f],
]);

/** One character, unescaped or escaped. Escapes of surrogates are excluded, so each is one code point. */
export const ANY_CHARACTER = choice([
  set(RAW),
  wholeMatches('\\\\(?:["\\\\/bfnrt]|u(?:[0-9A-CEFa-cef][0-9A-Fa-f]{3}|[Dd][0-7][0-9A-Fa-f]{2}))'),
]);
/** Characters that are written without escapes. */
export const RAW_RANGES: readonly Range[] = RAW;

/** Converts an expression of texts to their forms inside JSON strings, without unnecessary escapes. */
export function escaped(expression: Expression): Expression {
  switch (expression.type) {
    case "set":
      return escapedSet(expression.ranges);
    case "text":
      return text(JSON.stringify(expression.text).slice(1, -1));
    case "sequence":
      return sequence(...expression.parts.map(escaped));
    case "choice":
      return choice(expression.options.map(escaped));
    case "repeat":
      return repeat(escaped(expression.of), expression.min, expression.max);
    case "rule":
      return expression;
  }
}

function escapedSet(ranges: readonly Range[]): Expression {
  const has = (point: number) => ranges.some(([from, to]) => from <= point && point <= to);
  const escapes = SHORT_ESCAPES.filter(([point]) => has(point)).map(([, written]) => text(written));
  const others = Array.from({ length: 0x20 }, (_, point) => point)
    .concat(0x7f)
    .filter((point) => point > 0 && has(point) && !SHORT_ESCAPES.some(([short]) => short === point))
    .map((point) => text(`\\u${point.toString(16).padStart(4, "0")}`));
  return choice([set(intersection(ranges, RAW)), ...escapes, ...others]);
}

const DATE =
  "(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))|(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)";
const TIME =
  "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,6})?(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])";
const LABEL = "[A-Za-z0-9]{1,20}(?:-[A-Za-z0-9]{1,10}){0,2}";
const HOST = `${LABEL}(?:\\.${LABEL}){0,4}`;
const BYTE = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
const URL = `(?:https?|ftp)://${HOST}(?::[1-9][0-9]{0,3})?(?:/[A-Za-z0-9._~!$&'()*+,;=:@-]*)*(?:\\?[A-Za-z0-9._~!$&'()*+,;=:@/?-]*)?(?:#[A-Za-z0-9._~!$&'()*+,;=:@/?-]*)?`;

const URI = `${URL}|mailto:[A-Za-z0-9._+-]+@${HOST}|urn:[a-z0-9]{2,16}:[A-Za-z0-9._:-]+`;
const EMAIL = `[A-Za-z0-9]+(?:[._+-][A-Za-z0-9]+){0,4}@${LABEL}(?:\\.${LABEL}){1,4}`;
/** Patterns of formats. All their texts are valid by the format, but not all valid texts match. */
const FORMATS: Readonly<Record<string, string>> = {
  uri: URI,
  "uri-reference": URI,
  iri: URI,
  "iri-reference": URI,
  email: EMAIL,
  "idn-email": EMAIL,
  hostname: HOST,
  "idn-hostname": HOST,
  date: DATE,
  time: TIME,
  "date-time": `${DATE}T${TIME}`,
  duration: "P(?:[0-9]{1,4}D(?:T[0-9]{1,4}[HMS])?|T[0-9]{1,4}[HMS]|[0-9]{1,4}[WMY])",
  ipv4: `${BYTE}(?:\\.${BYTE}){3}`,
  ipv6: "[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4}){7}|::|::1",
  uuid: "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}",
  "json-pointer": "(?:/[A-Za-z0-9_.-]*)*",
  byte: "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?",
};

/** Formats that don't restrict the text. */
const FREE_FORMATS = ["password", "binary"];

export const FORMAT_NAMES = [...Object.keys(FORMATS), ...FREE_FORMATS];

/** The texts of a format; undefined if it is unknown, and "any" if it doesn't restrict the text. */
export function formatTexts(name: string): Expression | "any" | undefined {
  if (FREE_FORMATS.includes(name)) return "any";
  const pattern = Object.hasOwn(FORMATS, name) ? FORMATS[name] : undefined;
  return pattern === undefined ? undefined : wholeMatches(pattern);
}

/** The fewest and the most code points of a text of the expression, which must not use rules. */
export function lengthsOf(expression: Expression): { min: number; max: number } {
  const sum = (parts: readonly Expression[]) =>
    parts.map(lengthsOf).reduce((a, b) => ({ min: a.min + b.min, max: a.max + b.max }), NONE);
  switch (expression.type) {
    case "set":
      return { min: 1, max: 1 };
    case "text": {
      const { length } = Array.from(expression.text);
      return { min: length, max: length };
    }
    case "sequence":
      return sum(expression.parts);
    case "choice": {
      const all = expression.options.map(lengthsOf);
      return {
        min: Math.min(...all.map(({ min }) => min)),
        max: Math.max(...all.map(({ max }) => max)),
      };
    }
    case "repeat": {
      const { min, max } = lengthsOf(expression.of);
      return { min: expression.min * min, max: max === 0 ? 0 : expression.max * max };
    }
    case "rule":
      return { min: 0, max: Number.POSITIVE_INFINITY };
  }
}
const NONE = { min: 0, max: 0 };
