/**
 * Units behind a value: they don't count, as the questions name them. They are words in roman letters;
 * letters without a command may be variables, and stay.
 */

/** A word in roman letters: `\text{cm}`, `\mathrm{km/h}`, with or without a power. */
const ROMAN = String.raw`\\(?:text(?:bf|it|rm)?|mathrm|mbox|operatorname)\s*\{((?:[^{}]|\{-?\d\})*)\}(?:\s*\^\s*(?:\{\s*-?\d\s*\}|-?\d))?`;
/** `\mathrm{m}\cdot\mathrm{s}^{-1}`, `\text{m}/\text{s}` behind a value; before it a digit, bracket or command. */
const ROMAN_UNIT = new RegExp(
  String.raw`(?<=[\d}).%]\s*|\\[A-Za-z]+\s*)(?:${ROMAN}|\\frac\s*\{\s*${ROMAN}\s*\}\s*\{\s*${ROMAN}\s*\})(?:\s*(?:\\cdot|\\times|/|\\,|\s)?\s*${ROMAN})*$`,
);
/** Words that say something of the mathematics. */
const NO_UNIT =
  /(?:^|[^a-z])(?:and|or|if|for|when|where|mod|pmod|to|times|plus|minus|pi|sqrt|i|e|even|odd|undefined|none|only|[ap]\.?m|north|south|east|west|hundred|thousand|million|billion)(?:[^a-z]|$)/i;
/** A number and its unit in one command: `\text{56 square units}`. */
const BOTH =
  /^\\(?:text(?:bf|it|rm)?|mathrm|mbox)\s*\{\s*([-+]?\d[\d.,/]*)\s+([A-Za-z][^{}\d]*)\}$/;

/** The value without the unit behind it. */
export function withoutUnit(answer: string): string {
  const text = answer.replace(BOTH, "$1\\text{ $2}");
  const roman = ROMAN_UNIT.exec(text);
  if (roman !== null && !NO_UNIT.test(roman[0].replace(/\\[a-z]+/g, " "))) {
    return text.slice(0, roman.index).trim();
  }
  return text;
}
