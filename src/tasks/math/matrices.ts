/** Matrices, and sums, multiples and transposes of them. */

const TERM =
  /\s*([-+]?)\s*([^-+&]*?)\s*(?:\\cdot\s*|\\times\s*)?\\begin\{pmatrix\}((?:(?!\\begin)[\s\S])*?)\\end\{pmatrix\}\s*(\^\s*\{?\s*(?:T|\\top|\\intercal)(?![A-Za-z])\s*\}?\s*)?/y;

/** The entries, row by row; of `2A - B` those of the result, as expressions. `null` for what is no matrix. */
export function matrixOf(text: string): string[][] | null {
  const terms = new RegExp(TERM);
  let sum: string[][] | null = null;
  while (terms.lastIndex < text.length) {
    const [, sign = "", factor = "", inner = "", transposed] = terms.exec(text) ?? [];
    // Two matrices side by side are a product.
    if (terms.lastIndex === 0 || (sum !== null && sign === "")) return null;
    const given = rowsOf(inner, `${sign === "-" ? "-" : ""}${factor === "" ? "1" : factor}`);
    const rows = transposed === undefined ? given : transpose(given);
    if (sum === null) sum = rows;
    else if (shapeOf(sum) !== shapeOf(rows)) return null;
    else sum = sum.map((row, i) => row.map((entry, j) => `(${entry})+(${rows[i]?.[j]})`));
  }
  return sum;
}

/** How many entries each row has. */
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
