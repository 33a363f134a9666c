/**
 * Extracts and compares answers as lm-evaluation-harness's `minerva_math` does. Only for comparable numbers.
 */

const SENTENCE = /Final Answer: The final answer is(.*?)\. I hope it is correct\./s;

export function extractMinerva(text: string): string | null {
  return SENTENCE.exec(text)?.[1]?.trim() ?? null;
}

const SUBSTITUTIONS: readonly (readonly [string, string])[] = [
  ["an ", ""],
  ["a ", ""],
  [".$", "$"],
  ["\\$", ""],
  ["\\ ", ""],
  [" ", ""],
  ["mbox", "text"],
  [",\\text{and}", ","],
  ["\\text{and}", ","],
  ["\\text{m}", "\\text{}"],
];

const REMOVED = [
  "square",
  "ways",
  "integers",
  "dollars",
  "mph",
  "inches",
  "ft",
  "hours",
  "km",
  "units",
  "\\ldots",
  "sue",
  "points",
  "feet",
  "minutes",
  "digits",
  "cents",
  "degrees",
  "cm",
  "gm",
  "pounds",
  "meters",
  "meals",
  "edges",
  "students",
  "childrentickets",
  "multiples",
  "\\text{s}",
  "\\text{.}",
  "\\text{\ns}",
  "\\text{}^2",
  "\\text{}^3",
  "\\text{\n}",
  "\\text{}",
  "\\mathrm{th}",
  "^\\circ",
  "^{\\circ}",
  "\\;",
  ",\\!",
  "{,}",
  '"',
  "\\dots",
];

export function normaliseMinerva(answer: string): string {
  let text = answer.split("=").at(-1) ?? "";
  for (const [from, to] of SUBSTITUTIONS) text = text.replaceAll(from, to);
  for (const word of REMOVED) text = text.replaceAll(word, "");
  text = text
    .replace(/(.*?)(\$)(.*?)(\$)(.*)/g, "$$$3$$")
    .replace(/\\(?:text|textbf|overline)\{(.*?)\}/g, "$1")
    .replace(/\\boxed\{(.*)\}/g, "$1")
    .replace(/frac([^{])(.)/g, "frac{$1}{$2}")
    .replace(/sqrt([^{])/g, "sqrt{$1}")
    .replaceAll("$", "");
  return /^\d+$/.test(text.replaceAll(",", "")) ? text.replaceAll(",", "") : text;
}

/** Returns whether an answer is a tuple, interval, union or matrix. */
export function isStructured(text: string): boolean {
  return /[,[\]]|\\cup|\\begin/.test(text);
}
