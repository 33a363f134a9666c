/** Returns a Markdown table. The caller rounds numbers with `fixed` and `percent`. */
export function markdownTable(columns, rows) {
  const cells = [columns, ...rows].map((row) => row.map(String));
  const widths = columns.map((_, i) => Math.max(3, ...cells.map((row) => row[i].length)));
  const line = (row) => `| ${row.map((cell, i) => cell.padEnd(widths[i])).join(" | ")} |`;
  const rule = `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`;
  return [line(cells[0]), rule, ...cells.slice(1).map(line)].join("\n");
}

/** Rounds a number; a dash for null and undefined. */
export function fixed(x, digits) {
  return x === null || x === undefined ? "–" : x.toFixed(digits);
}

export function percent(share) {
  return (100 * share).toFixed(1);
}

export function interval([low, high]) {
  return `[${percent(low)}, ${percent(high)}]`;
}
