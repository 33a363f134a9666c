/** Converts the many ways to write an answer, in LaTeX or Unicode, to one form. */
import { withoutUnit } from "./units.js";

const SPACES =
  /(?<!\\)\\[,;:!> ]|\\q?quad(?![A-Za-z])|~|\\hspace\{[^{}]*\}|\\(?:hfill|hfil|thinspace|newline)(?![A-Za-z])/g;
/** Commands that change only the appearance. */
const LOOKS =
  /\\(?:displaystyle|textstyle|scriptstyle|tiny|small|normalsize|[lL]arge|LARGE|[hH]uge|limits|left|right|bigl?|bigr|Bigl?|Bigr|bigg[lr]?|Bigg[lr]?)(?![A-Za-z])\.?/g;
const COLOURS = /\\(?:textcolor|colorbox)\s*\{[^{}]*\}|\\color\s*(?:\{[^{}]*\}|[A-Za-z]+)/g;
const WRAPPERS =
  /\\(?:text(?:bf|it|rm|tt|sf|sc|normal)?|mathrm|mathbf|mathit|mathsf|mathtt|mathnormal|bm|boldsymbol|pmb|mbox|hbox|operatorname\*?|underline|boxed|fbox|vec|emph)\s*\{([^{}]*)\}/g;
const UNICODE: readonly (readonly [RegExp, string])[] = [
  [/[\u2212\u2010-\u2013\ufe63\uff0d]/g, "-"],
  [/[\u2215\u2044\uff0f]/g, "/"],
  [/\u221e/g, "\\infty "],
  [/\u222a/g, "\\cup "],
  [/\u2229/g, "\\cap "],
  [/\u2264|\u2a7d/g, "\\le "],
  [/\u2265|\u2a7e/g, "\\ge "],
  [/\u2208/g, "\\in "],
  [/\u2248/g, "\\approx "],
  [/\u2261/g, "\\equiv "],
  [/\u00b1/g, "\\pm "],
  [/\u2213/g, "\\mp "],
  [/\u00d7/g, "\\times "],
  [/[\u00b7\u22c5]/g, "\\cdot "],
  [/\u00b0/g, "^\\circ "],
  [/\u2205|\u00d8/g, "\\emptyset "],
  [/\u211d/g, "\\mathbb{R}"],
  [/[\u27e8\u2329]/g, "\\langle "],
  [/[\u27e9\u232a]/g, "\\rangle "],
  [/\u2220/g, "\\angle "],
  [/\u221a\s*\(([^()]*)\)/g, "\\sqrt{$1}"],
  [/\u221a\s*(\d+|\w|\{[^{}]*\})/g, "\\sqrt{$1}"],
];
const GREEK: Record<string, string> = {
  α: "alpha",
  β: "beta",
  γ: "gamma",
  δ: "delta",
  ε: "epsilon",
  θ: "theta",
  λ: "lambda",
  μ: "mu",
  π: "pi",
  ρ: "rho",
  σ: "sigma",
  τ: "tau",
  φ: "phi",
  ω: "omega",
  Δ: "Delta",
};
const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻";
const SUBSCRIPTS = "₀₁₂₃₄₅₆₇₈₉";
const PLAIN = "0123456789+-";
const BASES = ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
const TRIGONOMETRY = /\\?(?:sin|cos|tan|cot|sec|csc)(?![a-z])/;
const DEGREES = /(\d+(?:\.\d+)?)\s*\^\s*(?:\{\s*\\circ\s*\}|\\circ(?![A-Za-z]))/g;
const ANY_DEGREE =
  /\^\s*\{\s*\\(?:mathrm|text)\s*\{\s*o\s*\}\s*\}|\^\s*(?:\{\s*\\circ\s*\}|\\circ(?![A-Za-z]))|(?<=\d)\^\{?o\}?$/g;

/** Longer answers are compared unchanged. No benchmark needs longer answers. */
export const MAX_CHARACTERS = 1000;

/** Returns the answer without decoration and in one notation. Text becomes its bare words. */
export function normalise(answer: string): string {
  let text = answer.trim();
  if (text.length > MAX_CHARACTERS) return text;
  // `\\[4pt]` ends a row with additional space.
  text = text.replace(/\\\\\s*\[-?[\d.]+\s*(?:pt|em|ex|mm|cm)\]/g, "\\\\ ");
  text = rowsAsList(fromUnicode(text));
  // The text may have been escaped twice, as in unparsed JSON.
  if (!text.includes("\\begin")) text = text.replace(/\\\\(?=[A-Za-z({])/g, "\\");
  text = text
    .replace(/\\\[|\\\]|\\\(|\\\)|\$\$/g, "")
    .replace(/\\?\$/g, "")
    .replace(LOOKS, "")
    .replace(COLOURS, "")
    .replace(/,\s*\\!\s*/g, ",")
    .replace(/(?<!\\)\\!/g, "")
    .replace(/(?<![\\A-Za-z])sqrt\(([^()]*)\)/g, "\\sqrt{$1}")
    .replace(/(\d)\{,\}(?=\d{3})/g, "$1,")
    .replace(/\\(?:[dtcs]|nice|flat)frac(?![A-Za-z])/g, "\\frac")
    .replace(/\\([lg]e)q?(?:slant)?(?![A-Za-z])/g, "\\$1 ")
    .replace(
      /^(?:\\(?:therefore|because|implies|Rightarrow|Longrightarrow)(?![A-Za-z])|[\u2234\u21d2])\s*/,
      "",
    )
    .replace(/^\\text\s*\{[^{}]*\b(?:is|are|equals)\s*:?\s*\}\s*(?=.)/, "")
    .replace(/^[A-Z]\s*(?=\([^()]*,[^()]*\)$)/, "")
    .replace(
      /^\[\s*\[([^[\]]*\](?:\s*,\s*\[[^[\]]*)*)\]\s*\]$/,
      (_, rows: string) =>
        `\\begin{pmatrix}${rows
          .split(/\]\s*,\s*\[/)
          .join("\\\\ ")
          .replace(/,/g, "&")}\\end{pmatrix}`,
    )
    .replace(/\\cr(?![A-Za-z])/g, "\\\\")
    .replace(/(?<![\\A-Za-z])pi(?![A-Za-z])/g, "\\pi ")
    .replace(/\\degree(?![A-Za-z])/g, "^\\circ")
    .replace(/\\lbrace(?![A-Za-z])/g, "\\{")
    .replace(/\\rbrace(?![A-Za-z])/g, "\\}")
    .replace(/\\lt(?![A-Za-z])/g, "<")
    .replace(/\\gt(?![A-Za-z])/g, ">")
    .replace(/\\varnothing|\\\{\s*\\\}/g, "\\emptyset")
    .replace(
      /\\mathbb\s*\{?\s*R\s*\}?\s*(?:\^\s*\{?\+\}?|_\{?\+\}?|_\{\s*>\s*0\s*\})/g,
      "(0,\\infty)",
    )
    .replace(/\\mathbb\s*\{?\s*R\s*\}?/g, "(-\\infty,\\infty)")
    .replace(/^(?:\\text\s*\{)?\s*all real numbers\s*\}?$/i, "(-\\infty,\\infty)")
    .replace(
      /^(?:\\text\s*\{)?\s*all real (?:numbers|\$?x\$?) except(?: for)?\s*\}?\s*(?:x\s*=)?/i,
      "x\\ne ",
    )
    .replace(/\\neq?(?![A-Za-z])|\u2260/g, "\\ne ")
    .replace(
      /(?<![\\A-Za-z])(sin|cos|tan|cot|sec|csc|log|ln|arcsin|arccos|arctan)(?=[\s(\\^])/g,
      "\\$1",
    )
    .replace(/\\l?angle\s*([^<>]*?)\\rangle/g, "($1)")
    .replace(/^<([^<>]*,[^<>]*)>$/, "($1)")
    // ]a,b[ means (a,b).
    .replace(
      /\](\s*[^[\],]+,[^[\],]+)([[\]])/g,
      (_, ends, close) => `(${ends}${close === "[" ? ")" : "]"}`,
    )
    .replace(/\[([^[\],]+,[^[\],]+)\[/g, "[$1)")
    .replace(/\\%/g, "%")
    .replace(/(^|[([{,=])\s*\+/g, "$1")
    .replace(/\s*(?:percent|pct)\.?$/i, "%")
    .trim()
    .replace(/(?:\\\\|[.,;\s])+$/, "")
    .replace(/^(['"`])(.*)\1$/, "$2");
  text = text
    .split("=")
    .map((side) => side.replace(DEGREES, TRIGONOMETRY.test(side) ? "(\\frac{$1\\pi}{180})" : "$1 "))
    .join("=");
  text = withoutUnit(text.replace(ANY_DEGREE, "").replace(SPACES, " ").trim())
    .replace(/\{\s*\\(?:text|mathrm)\s*\{\s*e\s*\}\s*\}/g, "e")
    .replace(WRAPPERS, " $1 ")
    .replace(WRAPPERS, " $1 ")
    .replace(/(?<=\d)\s*(?:\^\s*)?\{?\s*(?:st|nd|rd|th)\s*\}?$/, "")
    .replace(/^\s*(?:the\s+)?(?:final\s+)?answer\s*(?:is\b|:)\s*/i, "")
    .replace(/^\s*(?:approximately|about|roughly)\s+(?=[-\d\\])/i, "")
    .replace(/\s*,?\s+and\s+/g, /[<>]|\\[lg]e /.test(text) ? " \\land " : ", ")
    .replace(/\s*,?\s+or\s+/g, " \\lor ")
    .replace(/\\p?mod\s*\{?\s*(\w+)\s*\}?|\\bmod\s*(\w+)|\(\s*mod\s+(\w+)\s*\)/g, " \\pmod{$1$2$3}")
    .replace(/_\{\s*\(\s*(\w+)\s*\)\s*\}/g, "_{$1}")
    .replace(/_\s+([a-z]+)\s*$/, "_{$1}")
    .replace(/_\{?\s*base\s*(\w+)\s*\}?/g, "_{$1}")
    .replace(/^(\d[\dA-F]*)\s+\(?\s*(?:in\s+)?base\s+(\w+)\s*\)?$/, "$1_{$2}")
    .replace(/^\(\s*(\d[\dA-F]*)\s*\)\s*_/, "$1_")
    .replace(
      /_\{\s*(\w+)\s*\}/g,
      (_, base: string) => `_{${BASES.indexOf(base) + 2 > 1 ? BASES.indexOf(base) + 2 : base}}`,
    )
    .replace(/^(\d{1,3}(?:_\d{3})+)$/, (number) => number.replaceAll("_", ""))
    .replace(/\\{2}\s*(?=\\end)/g, "")
    // An array of one entry is that entry.
    .replace(/\\begin\{array\}\{[clr|\s]*\}([^&\\{}]*)\\end\{array\}/g, "$1")
    .replace(
      /\\begin\{(?:[bBvV]?matrix|smallmatrix|array)\}(?:\{[clr|\s]*\})?/g,
      "\\begin{pmatrix}",
    )
    .replace(/\\end\{(?:[bBvV]?matrix|smallmatrix|array)\}/g, "\\end{pmatrix}")
    .replace(/^[[(]\s*(\\begin\{pmatrix\}[\s\S]*\\end\{pmatrix\})\s*[\])]$/, "$1")
    .replace(/^(-?\d+)_\{?10\}?$/, "$1");
  return withoutBraces(bracedArguments(joinThousands(text.trim())).replace(/\s+/g, " ").trim());
}

/** Converts rows of equations, as in `\begin{cases} x=2 \\\\ y=3 \end{cases}`, to a list of equations. */
function rowsAsList(text: string): string {
  return text
    .replace(/\\left\s*\\\{([\s\S]*)\\right\s*\./, "$1")
    .replace(
      /\\begin\{(aligned|align\*?|cases|gathered|split|array)\}(?:\{[clr|\s]*\})?([\s\S]*?)\\end\{\1\}/g,
      (whole, _, inner: string) => {
        const rows = inner.split(/\\\\/).map((row) => row.replace(/&/g, "").trim());
        const filled = rows.filter((row) => row !== "").map((row) => row.replace(/[,;.]$/, ""));
        return filled.every((row) => /^[^=]+=[^=]+$/.test(row)) ? filled.join(", ") : whole;
      },
    );
}

/** Replaces Unicode signs by the equivalent commands or characters. */
function fromUnicode(answer: string): string {
  let text = answer.replace(/(\d?)\s?([\u00bc-\u00be\u2150-\u215e])/g, (_, whole, sign: string) => {
    const [above, below] = sign.normalize("NFKC").split("\u2044");
    return `${whole}\\frac{${above}}{${below}}`;
  });
  for (const [pattern, replacement] of UNICODE) text = text.replace(pattern, replacement);
  const shifted = (signs: string, mark: string) => (run: string) =>
    `${mark}{${[...run].map((sign) => PLAIN[signs.indexOf(sign)]).join("")}}`;
  return text
    .replace(new RegExp(`[${SUPERSCRIPTS}]+`, "g"), shifted(SUPERSCRIPTS, "^"))
    .replace(new RegExp(`[${SUBSCRIPTS}]+`, "g"), shifted(SUBSCRIPTS, "_"))
    .replace(
      new RegExp(`[${Object.keys(GREEK).join("")}]`, "g"),
      (letter) => `\\${GREEK[letter]} `,
    );
}

/** Joins the thousands of `1,000,000`, `1 000` and `1\,000`. `1, 234` and `[1,234]` stay lists. */
function joinThousands(text: string): string {
  const isNumber = /^[-+]?\d{1,3}(?:(?:,\d{3})+|(?: \d{3})+)(?:\.\d+)?%?$/.test(text);
  return isNumber ? text.replace(/[, ]/g, "") : text;
}

/**
 * Puts the arguments of `\frac12`, `\frac 59`, `\frac{270}7` and `\sqrt2` in braces, and removes the braces
 * of single characters as in `x^{2}`.
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

/** Converts `{5}` to `5`. `{1,2}` stays a set. */
function withoutBraces(text: string): string {
  const inner = /^\{([^{},;]*)\}$/.exec(text)?.[1];
  return inner === undefined ? text : inner.trim();
}
