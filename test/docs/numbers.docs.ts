/**
 * What README and docs show of commands' outputs has the lines and columns that the commands print now.
 * Numbers are not compared: draws differ between processors. `npm run docs:numbers` makes them anew.
 */
import { mkdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { documents, madeBlocks, printed } from "../../scripts/docs-numbers.mjs";
import { COMMANDS } from "../../src/cli/commands.js";
import { METHOD_NAMES } from "../../src/methods/registry.js";
import { temporary } from "../fixtures/temporary-directory.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const textOf = (file: string) => readFileSync(path.join(ROOT, file), "utf8");
const blocks = documents().flatMap((file) =>
  madeBlocks(textOf(file)).map(({ line, shown }) => ({ file, line, shown })),
);
const directory = temporary("numbers");
mkdirSync(directory);

/** The names of an output's lines, and the whole of those that head columns. */
function frameOf(output: string): string[] {
  const lines = output.split("\n").map((line) => line.trimEnd());
  const named = lines.flatMap((line) => {
    const [, name] = /^ *([a-z][a-z-]*)(?: {2,}\S|(?<=step|answer) \d)/.exec(line) ?? [];
    if (name === undefined) return [];
    const isHeading = ["method", "difference", "texts"].includes(name);
    return [isHeading ? line.trim().replace(/ +/g, " ") : name];
  });
  return [...new Set(named)].sort();
}

test("every output of a command that is shown says which command made it", () => {
  const fences = documents().flatMap((file) => [
    ...textOf(file)
      .replace(/^```\w+\n.*?^```/gms, "")
      .matchAll(/^```\n/gm),
  ]);
  expect(blocks).toHaveLength(fences.length / 2);
  expect(blocks.length).toBeGreaterThan(4);
});

test.each(blocks)("$file has the lines and columns that it prints: $line", ({ line, shown }) => {
  const small = line.replace(/--limit \d+/g, "--limit 3");
  expect(frameOf(shown)).not.toEqual([]);
  expect(frameOf(printed(small, directory))).toEqual(frameOf(shown));
});

test("a line and a column that are new are found", () => {
  const shown = " method   accuracy   tokens\n ets   50%   3\n  answer    11";
  expect(frameOf(shown)).toEqual(["answer", "ets", "method accuracy tokens"]);
  expect(frameOf(shown.replace("tokens", "decoded"))).not.toEqual(frameOf(shown));
});

test("README lists the commands and the methods that there are", () => {
  const readme = textOf("README.md");
  const [commands = ""] = /^\| command .*?^$/ms.exec(readme) ?? [];
  for (const { name } of COMMANDS)
    expect(commands).toMatch(new RegExp(`\`(llama-ets )?${name}\\b`));
  const [, row = ""] = /^\| `--method` +\|(.*)\|$/m.exec(readme) ?? [];
  expect([...row.matchAll(/`([\w-]+)`/g)].map(([, name]) => name).sort()).toEqual(
    ["auto", ...METHOD_NAMES].sort(),
  );
});
