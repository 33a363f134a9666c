// Rewrites the command output that README.md and docs/ show. Such a block stands behind a comment with the
// line of bash that makes it. The date and the machine are written there, too:
//
//   <!-- made by: llama-ets eval mini-gsm --limit 20 --out runs/small -->
//
//   npm run docs:numbers                   all of them: a quarter of an hour of one core
//   npm run docs:numbers -- README.md      those of these documents
//   npm run docs:numbers -- --in DIR       in a directory that is kept: evaluations in it are not made again
//
// All lines run in one directory, in the order of the documents, so that a line may use the results of an
// earlier one. test:docs runs smaller versions of them, and fails if a block no longer has the lines and
// columns of the command's output.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const BLOCK = /<!-- made by: ([^\n]+) -->\n(?:<!-- made on: [^\n]+ -->\n)?\n*```\n(.*?)^```$/gms;

/** Returns the blocks of a document: the line that makes each block, and the shown output. */
export function madeBlocks(text) {
  return [...text.matchAll(BLOCK)].map(([, line, shown]) => ({ line, shown }));
}

/** Returns the names of README.md and the pages of docs/. */
export function documents() {
  const pages = readdirSync(path.join(ROOT, "docs")).filter((name) => name.endsWith(".md"));
  return ["README.md", ...pages.map((name) => `docs/${name}`)];
}

/** Runs a line with bash in a directory and returns its output. `llama-ets` is that of this checkout. */
export function printed(line, directory) {
  const program = `llama-ets() { "$NODE" "$MAIN" "$@"; }\nset -o pipefail\n${line}`;
  return execFileSync("bash", ["-c", program], {
    cwd: directory,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
    env: {
      ...process.env,
      NODE: process.execPath,
      MAIN: path.join(ROOT, "dist/cli/main.js"),
      NO_COLOR: "1",
    },
  });
}

/** Returns the date, the machine and its load, since measured seconds depend on the load. */
function machine() {
  const [processor] = cpus();
  const busy = Math.round(loadavg()[0]);
  const day = new Date().toISOString().slice(0, 10);
  return `${day}, ${processor?.model.trim()}, ${cpus().length} cores, load ${busy}`;
}

function rewrite(file, directory) {
  const text = readFileSync(path.join(ROOT, file), "utf8");
  const rewritten = text.replace(BLOCK, (_, line) => {
    console.error(`${file}: ${line}`);
    const output = printed(line, directory)
      .replace(/[ \t]+$/gm, "")
      .replace(/^\n+|\n+$/g, "");
    const head = `<!-- made by: ${line} -->\n<!-- made on: ${machine()} -->`;
    return `${head}\n\n\`\`\`\n${output}\n\`\`\``;
  });
  if (rewritten !== text) writeFileSync(path.join(ROOT, file), rewritten);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { in: { type: "string" } },
  });
  const scratch = mkdtempSync(path.join(tmpdir(), "llama-ets-numbers-"));
  try {
    for (const file of positionals.length > 0 ? positionals : documents()) {
      rewrite(file, values.in ?? scratch);
    }
  } finally {
    rmSync(scratch, { recursive: true });
  }
}
