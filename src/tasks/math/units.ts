/**
 * Removes units behind a value. Units don't count, because the questions name them. A unit is a word in roman
 * letters. Letters without a command may be variables and stay.
 */

/** A word in roman letters, such as `\text{cm}` or `\mathrm{km/h}`, with or without a power. */
const ROMAN = String.raw`\\(?:text(?:bf|it|rm)?|mathrm|mbox|operatorname)\s*\{((?:[^{}]|\{-?\d\})*)\}(?:\s*\^\s*(?:\{\s*-?\d\s*\}|-?\d))?`;
/**
 * A unit such as `\mathrm{m}\cdot\mathrm{s}^{-1}` or `\text{m}/\text{s}` behind a value. A digit, bracket or
 * command must stand before it.
 */
const ROMAN_UNIT = new RegExp(
  String.raw`(?<=[\d}).%]\s*|\\[A-Za-z]+\s*)(?:${ROMAN}|\\frac\s*\{\s*${ROMAN}\s*\}\s*\{\s*${ROMAN}\s*\})(?:\s*(?:\\cdot|\\times|/|\\,|\s)?\s*${ROMAN})*$`,
);
/** Words with a mathematical meaning, which aren't units. */
const NO_UNIT =
  /(?:^|[^a-z])(?:and|or|if|for|when|where|mod|pmod|to|times|plus|minus|pi|sqrt|i|e|even|odd|undefined|none|only|[ap]\.?m|north|south|east|west|hundred|thousand|million|billion)(?:[^a-z]|$)/i;
/** A number and its unit in one command, such as `\text{56 square units}`. */
const BOTH =
  /^\\(?:text(?:bf|it|rm)?|mathrm|mbox)\s*\{\s*([-+]?\d[\d.,/]*)\s+([A-Za-z][^{}\d]*)\}$/;

/** Returns the value without its unit. */
export function withoutUnit(answer: string): string {
  const text = answer.replace(BOTH, "$1\\text{ $2}");
  const roman = ROMAN_UNIT.exec(text);
  if (roman !== null && !NO_UNIT.test(roman[0].replace(/\\[a-z]+/g, " "))) {
    return text.slice(0, roman.index).trim();
  }
  return text;
}
