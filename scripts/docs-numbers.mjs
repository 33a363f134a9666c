// Rewrites what README.md and docs/ show of what commands print. Such a block stands behind a comment
// with the line of bash that makes it; the date and the machine are written there, too:
//
//   <!-- made by: llama-ets eval mini-gsm --limit 20 --out runs/small -->
//
//   npm run docs:numbers                   all of them: a quarter of an hour of one core
//   npm run docs:numbers -- README.md      those of these documents
//   npm run docs:numbers -- --in DIR       in a directory that is kept: evaluations in it are not made again
//
// All lines run in one directory, in the documents' order, so that one may use what another made. test:docs
// runs them small, and says when a block no longer has the lines and columns that the command prints.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const BLOCK = /<!-- made by: ([^\n]+) -->\n(?:<!-- made on: [^\n]+ -->\n)?\n*```\n(.*?)^```$/gms;

/** The blocks of a document: the line that makes each, and what it shows. */
export function madeBlocks(text) {
  return [...text.matchAll(BLOCK)].map(([, line, shown]) => ({ line, shown }));
}

/** README.md and the pages of docs/. */
export function documents() {
  const pages = readdirSync(path.join(ROOT, "docs")).filter((name) => name.endsWith(".md"));
  return ["README.md", ...pages.map((name) => `docs/${name}`)];
}

/** What a line prints, run by bash in a directory where `llama-ets` is this checkout's. */
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

/** The day and the machine, with how busy it is: seconds depend on that. */
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
