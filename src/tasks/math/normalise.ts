/** One form for the many ways to write an answer in LaTeX. */

const SPACES = /(?<!\\)\\[,;:!> ]|\\q?quad\b|~|\\hspace\{[^{}]*\}/g;
const WRAPPERS =
  /\\(?:text|textbf|textit|textrm|mathrm|mathbf|mathit|mbox|operatorname)\s*\{([^{}]*)\}/g;
/** A unit behind a number, with or without a power. */
const UNIT =
  /(?<=[\d}).]\s*)\\(?:text|mathrm|textbf|mbox)\s*\{[^{}]*\}(?:\s*\^\s*(?:\{\d\}|\d))?\s*$/;
const UNICODE: readonly (readonly [RegExp, string])[] = [
  [/[\u2212\u2013]/g, "-"],
  [/\u03c0/g, "\\pi "],
  [/\u221e/g, "\\infty "],
  [/\u222a/g, "\\cup "],
  [/\u2264/g, "\\le "],
  [/\u2265/g, "\\ge "],
  [/\u00b1/g, "\\pm "],
  [/\u00d7/g, "\\times "],
  [/\u00b7/g, "\\cdot "],
  [/\u00b0/g, ""],
  [/\u221a(\w|\{[^{}]*\})/g, "\\sqrt{$1}"],
];

/** Longer answers are compared as they are: nothing in a benchmark needs more. */
const MAX_CHARACTERS = 1000;

/** The answer without decoration, in one way of writing; text as its bare words. */
export function normalise(answer: string): string {
  let text = answer.trim();
  if (text.length > MAX_CHARACTERS) return text;
  for (const [pattern, replacement] of UNICODE) text = text.replace(pattern, replacement);
  // The text was escaped twice, as in JSON that was never parsed.
  if (!text.includes("\\begin")) text = text.replace(/\\\\(?=[A-Za-z({])/g, "\\");
  text = text
    .replace(/\\\[|\\\]|\\\(|\\\)|\$\$/g, "")
    .replace(/\\?\$/g, "")
    .replace(/\\(?:displaystyle|textstyle|left|right|bigl?|bigr|Bigl?|Bigr)(?![A-Za-z])\.?/g, "")
    .replace(/,\s*\\!\s*/g, ",")
    .replace(/(?<!\\)\\!/g, "")
    .replace(/(?<![\\A-Za-z])sqrt\(([^()]*)\)/g, "\\sqrt{$1}")
    .replace(/(\d)\{,\}(?=\d{3})/g, "$1,")
    .replace(/\\[dtc]frac(?![A-Za-z])/g, "\\frac")
    .replace(/\\([lg]e)q?(?:slant)?(?![A-Za-z])/g, "\\$1 ")
    .replace(/\\%/g, "%")
    .replace(/(^|[([{,=])\s*\+/g, "$1")
    .replace(/\^\s*(?:\{\s*\\circ\s*\}|\\circ)/g, "")
    .replace(/\s*(?:percent|pct)\.?$/i, "%")
    .trim()
    .replace(/[.\s]+$/, "")
    .replace(UNIT, "")
    .replace(/\{\s*\\(?:text|mathrm)\s*\{\s*e\s*\}\s*\}/g, "e")
    .replace(WRAPPERS, " $1 ")
    .replace(SPACES, " ")
    .replace(/\s*,?\s+and\s+/g, ", ")
    .replace(/\\{2}\s*(?=\\end)/g, "")
    .replace(/\\begin\{(?:bmatrix|array|matrix|vmatrix)\}(?:\{[clr|\s]*\})?/g, "\\begin{pmatrix}")
    .replace(/\\end\{(?:bmatrix|array|matrix|vmatrix)\}/g, "\\end{pmatrix}")
    .replace(/\[\s*(\\begin\{pmatrix\}[\s\S]*\\end\{pmatrix\})\s*\]/, "$1");
  return bracedArguments(joinThousands(text)).replace(/\s+/g, " ").trim();
}

/** `1,000,000`, `1 000` and `1\,000`: one number each; `1, 234` and `[1,234]` stay lists. */
function joinThousands(text: string): string {
  const isNumber = /^[-+]?\d{1,3}(?:(?:,\d{3})+|(?: \d{3})+)(?:\.\d+)?%?$/.test(text);
  return isNumber ? text.replace(/[, ]/g, "") : text;
}

/**
 * `\frac12`, `\frac 59`, `\frac{270}7`, `\sqrt2`, `x^{2}`: arguments in braces, single ones
 * without.
 */
function bracedArguments(text: string): string {
  return text
    .replace(/\\frac\s*(\d)\s*(\d)/g, "\\frac{$1}{$2}")
    .replace(/\\frac\s*(\d|[a-z])\s*\{/g, "\\frac{$1}{")
    .replace(/\\frac\s*(\{[^{}]*\})\s*(\d|[a-z])/g, "\\frac$1{$2}")
    .replace(/\\frac\s+\{/g, "\\frac{")
    .replace(/\\sqrt\s*(\d|[a-z])(?![A-Za-z])/g, "\\sqrt{$1}")
    .replace(/\\sqrt\s*([a-z\d])/g, "\\sqrt{$1}")
    .replace(/([\^_])\{(\w)\}/g, "$1$2");
}
