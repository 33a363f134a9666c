import { writeFile } from "node:fs/promises";
import { availableParallelism, cpus } from "node:os";
import { fixed, markdownTable } from "./table.mjs";

/**
 * Runs cases one after another and prints the table of each, and a summary of several. If files are named, it
 * writes everything as JSON by the names of the cases, and as Markdown.
 *
 * A case is a function that resolves to `{ title, ratio, ours, theirs, unit, note, columns, rows }` and other
 * fields for its JSON. With a ratio above 1 our side is better.
 */
export async function report(cases, settings, { json, markdown }) {
  const results = {};
  const tables = [];
  for (const [name, measure] of Object.entries(cases)) {
    const started = performance.now();
    const { title, columns, rows, ...result } = await measure(settings);
    results[name] = result;
    const table = `## ${title}\n\n${markdownTable(columns, rows)}\n\n${result.note}`;
    tables.push(table);
    console.log(`\n${table}`);
    console.error(`${name}: ${((performance.now() - started) / 1000).toFixed(0)} s`);
  }
  const overview = `${machine()}\n\n${summary(results)}`;
  if (tables.length > 1) console.log(`\n${overview}`);
  if (json) await writeFile(json, `${JSON.stringify(results, null, 2)}\n`);
  if (markdown) await writeFile(markdown, `${[overview, ...tables].join("\n\n")}\n`);
}

function summary(results) {
  const rows = Object.entries(results).map(([name, { ratio, ours, theirs, unit }]) => [
    ...[name, fixed(ratio, 2), fixed(ours, 1), fixed(theirs, 1), unit],
  ]);
  return markdownTable(["case", "ratio", "ours", "theirs", "unit"], rows);
}

function machine() {
  const processor = cpus()[0]?.model.trim() ?? process.arch;
  return `${processor}, ${availableParallelism()} cores, Node ${process.versions.node}`;
}
