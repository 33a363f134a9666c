// Usage: npm run bench:methods -- [--limit 500] [--budgets 500,1000,2000] [--seed 0]
//          [--out runs/methods] [--into docs/methods.md]
//
// Compares all methods on held-out mini-gsm items at equal token budgets. Samples in --out are not drawn
// again, so that an interrupted run continues. --into writes the table between the marks in a file.
import { readFile, writeFile } from "node:fs/promises";
import { methods, methodsOptions } from "./cases/methods.mjs";
import { parseOptions } from "./lib/arguments.mjs";
import { markdownTable } from "./lib/table.mjs";

const MARKS = ["<!-- bench:methods -->", "<!-- /bench:methods -->"];

const { into, budgets, ...options } = parseOptions({
  ...methodsOptions,
  budgets: methodsOptions.budgets.join(","),
  into: "",
});
const { columns, rows, note } = await methods({
  ...options,
  budgets: budgets.split(",").map(Number),
});
const table = `${markdownTable(columns, rows)}\n\n${note}`;
console.log(table);
if (into) {
  const text = await readFile(into, "utf8");
  const [start, end] = MARKS.map((mark) => text.indexOf(mark));
  if (start < 0 || end < start) throw new Error(`Expected ${MARKS.join(" and ")} in ${into}`);
  const before = text.slice(0, start + MARKS[0].length);
  await writeFile(into, `${before}\n${table}\n${text.slice(end)}`);
}
