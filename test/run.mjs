// `npm test`: the tests of the engine, one file after another, and beside them those that need none, or
// only in processes of the command line.
//
//   npm test                    all of them
//   npm test -- test/methods    the files whose path has this; other options go to vitest, too
//
// With --outputFile=FILE the counts of both are written there, as vitest's JSON reporter names them.
// Vitest would run the two projects after one another, and leave a core idle for most of the time.
// The last line counts the tests of both.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const VITEST = path.join(ROOT, "node_modules/vitest/vitest.mjs");
const scratch = mkdtempSync(path.join(tmpdir(), "llama-ets-tests-"));
const started = performance.now();
const OUTPUT = "--outputFile=";
const output = process.argv.find((argument) => argument.startsWith(OUTPUT))?.slice(OUTPUT.length);
const passedOn = process.argv
  .slice(2)
  .filter((argument) => !/^--(outputFile|reporter)=/.test(argument));

/** Runs a project's tests with this stdout and stderr; gives its exit code, and what it said if kept. */
function run(project, stdio) {
  const report = path.join(scratch, `${project}.json`);
  const child = spawn(
    process.execPath,
    [VITEST, "run", `--project=${project}`, "--passWithNoTests", "--reporter=default"].concat([
      "--reporter=json",
      `--outputFile.json=${report}`,
      ...passedOn,
    ]),
    { cwd: ROOT, stdio: ["ignore", stdio, stdio] },
  );
  const said = [];
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (data) => said.push(data));
  return new Promise((resolve) => {
    child.on("close", (code) => resolve({ code: code ?? 1, report, said: Buffer.concat(said) }));
  });
}

/** Passed, failed and skipped tests of a report; none where vitest ended without one. */
function counts(report) {
  try {
    const { numPassedTests, numFailedTests, numPendingTests } = JSON.parse(
      readFileSync(report, "utf8"),
    );
    return [numPassedTests, numFailedTests, numPendingTests];
  } catch {
    return [0, 0, 0];
  }
}

// Ctrl-C reaches vitest itself, too: what it says at its end is still shown.
process.on("SIGINT", () => {});
const beside = run("beside", "pipe");
const engine = await run("engine", "inherit");
const other = await beside;
process.stdout.write(other.said);

const ended = [engine, other];
const [passed, failed, skipped] = ended
  .map(({ report }) => counts(report))
  .reduce((sum, next) => sum.map((count, kind) => count + next[kind]));
rmSync(scratch, { recursive: true, force: true });
if (output !== undefined) {
  const merged = { numPassedTests: passed, numFailedTests: failed, numPendingTests: skipped };
  writeFileSync(output, JSON.stringify(merged));
}

const seconds = Math.round((performance.now() - started) / 1000);
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped in ${seconds} s`);
process.exitCode = Math.max(...ended.map(({ code }) => code));
if (process.exitCode === 0 && passed + failed + skipped === 0) {
  console.error("No test was found.");
  process.exitCode = 1;
}
