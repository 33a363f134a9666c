/** Parses matrices, and sums, multiples and transposes of matrices. */

const TERM =
  /\s*([-+]?)\s*([^-+&]*?)\s*(?:\\cdot\s*|\\times\s*)?\\begin\{pmatrix\}((?:(?!\\begin)[\s\S])*?)\\end\{pmatrix\}\s*(\^\s*\{?\s*(?:T|\\top|\\intercal)(?![A-Za-z])\s*\}?\s*)?/y;

/**
 * Returns the entries, row by row. For `2A - B` they are the entries of the result, as expressions. `null`
 * for other texts.
 */
export function matrixOf(text: string): string[][] | null {
  const terms = new RegExp(TERM);
  let sum: string[][] | null = null;
  while (terms.lastIndex < text.length) {
    const [, sign = "", factor = "", inner = "", transposed] = terms.exec(text) ?? [];
    // Two adjacent matrices are a product, which is not supported.
    if (terms.lastIndex === 0 || (sum !== null && sign === "")) return null;
    const given = rowsOf(inner, `${sign === "-" ? "-" : ""}${factor === "" ? "1" : factor}`);
    const rows = transposed === undefined ? given : transpose(given);
    if (sum === null) sum = rows;
    else if (shapeOf(sum) !== shapeOf(rows)) return null;
    else sum = sum.map((row, i) => row.map((entry, j) => `(${entry})+(${rows[i]?.[j]})`));
  }
  return sum;
}

/** Returns the number of entries of each row. */
export function shapeOf(rows: readonly string[][]): string {
  return rows.map((row) => row.length).join();
}

function transpose(rows: readonly string[][]): string[][] {
  return (rows[0] ?? []).map((_, j) => rows.map((row) => row[j] ?? ""));
}

function rowsOf(inner: string, factor: string): string[][] {
  const rows = inner.split(/\\\\/).filter((row) => row.trim() !== "");
  const entries = rows.map((row) => row.split("&").map((entry) => entry.trim()));
  if (factor === "1") return entries;
  return entries.map((row) => row.map((entry) => `${factor}\\cdot(${entry})`));
}
