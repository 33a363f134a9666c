/**
 * The families that run, `npm run test:study -- families`: a small model of random weights of every
 * architecture that llama.cpp's own test can write, and our own, each in a process of its own. Each
 * runs every method, forks well, draws with the log-probabilities that scoring gives, and takes the
 * memory that was planned; or it is refused by name. Writes docs/families.md.
 */
import { execFile } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import type { ForkVerdict } from "../../src/engine/local/fork-probe.js";
import { sourceRelease } from "../../src/engine-build/source-bundle.js";
import { METHOD_NAMES } from "../../src/methods/registry.js";
import { encodeGguf, readGguf } from "../fixtures/gguf-writer.js";
import { TINY_MODELS } from "../fixtures/tiny-families.js";
import type { Walked } from "../fixtures/walk-family.mjs";
import { makeFamilies } from "./engine-families.js";

const CHILD = fileURLToPath(new URL("../fixtures/run-family.mjs", import.meta.url));
const PAGE = fileURLToPath(new URL("../../docs/families.md", import.meta.url));

/** What test/fixtures/run-family.mjs prints. */
type Report =
  | { outcome: "refused" | "failed"; reason: string }
  | ({
      outcome: "run";
      kind: "autoregressive" | "diffusion";
      slidingWindow: number;
      isHybrid: boolean;
      isRecurrent: boolean;
      /** Whether it was refused before its forks were proven. */
      wasUnknown: boolean;
      forks?: ForkVerdict;
      rewind?: "any" | "tip";
      attention?: "own" | "engine";
      planned?: number;
      real?: number;
    } & Walked);
type Run = Extract<Report, { outcome: "run" }>;

interface Row {
  family: string;
  file: string;
  report: Report;
}

/** `LLAMA_ETS_FAMILIES` names a directory where the models stay for the next time. */
const kept = process.env.LLAMA_ETS_FAMILIES;
const directory = kept ?? (await mkdtemp(path.join(tmpdir(), "llama-ets-families-")));
/** Nothing is proven there when the study begins. */
const cache = await mkdtemp(path.join(tmpdir(), "llama-ets-cache-"));
afterAll(() => {
  rmSync(cache, { recursive: true, force: true });
  if (kept === undefined) rmSync(directory, { recursive: true, force: true });
});
/** The number of concurrent processes, each with one thread. */
const WORKERS = 2;

/** A crash is a failure like any other. */
function tryFile(file: string): Promise<Report> {
  const env = { ...process.env, XDG_CACHE_HOME: cache };
  return new Promise((resolve) => {
    execFile(process.execPath, [CHILD, file], { env, timeout: 240_000 }, (error, out, err) => {
      const line = out.trim().split("\n").at(-1) ?? "";
      if (line.startsWith("{")) return resolve(JSON.parse(line) as Report);
      const last = err.trim().split("\n").at(-1) ?? "";
      const reason = `ended by ${error?.signal ?? `code ${error?.code}`}: ${last}`;
      resolve({ outcome: "failed", reason });
    });
  });
}

/** Returns the faults of a model that ran; empty if there are none. */
function faultsOf(run: Run): string[] {
  const faults: string[] = [];
  const left = METHOD_NAMES.filter((name) => !run.ran.includes(name));
  if (run.kind === "diffusion") return left.some((name) => !run.refused[name]) ? ["a method"] : [];
  if (left.length > 0) faults.push(`${left} did not run`);
  if (run.forks?.outcome !== "passed") faults.push(run.forks?.reason ?? "not probed");
  // If our own attention isn't used (ALiBi, sinks), keys and values are rounded in another order.
  const most = run.attention === "own" ? 1e-3 : 0.02;
  if (!(run.alone <= most)) faults.push(`drawn and scored differ by ${run.alone}`);
  const { planned = 0, real = 0 } = run;
  // llama.cpp rounds what it says to hundredths of a MiB.
  if (Math.abs(planned - real) > Math.max(0.1 * real, 0.011 * 2 ** 20)) {
    faults.push(`planned ${planned} bytes for ${real}`);
  }
  return faults;
}

test("every family runs every method, or is refused by name", async () => {
  const { files, missing } = await makeFamilies(directory);
  for (const [name, make] of Object.entries(TINY_MODELS)) {
    const file = path.join(directory, `${name}.gguf`);
    writeFileSync(file, encodeGguf(make()));
    files.push(file);
  }
  const rows: Row[] = [];
  const tryNext = async (): Promise<void> => {
    const file = files.pop();
    if (file === undefined) return;
    const architecture = readGguf(file).metadata.get("general.architecture");
    const family = architecture?.type === "string" ? String(architecture.value) : "unknown";
    let report = await tryFile(file);
    if (report.outcome === "run" && faultsOf(report).length > 0) {
      report = { outcome: "failed", reason: faultsOf(report).join("; ") };
    }
    rows.push({ family, file: path.basename(file), report });
    if (report.outcome !== "run") console.log(family, report.outcome, report.reason);
    return tryNext();
  };
  await Promise.all(Array.from({ length: WORKERS }, tryNext));
  writeFileSync(PAGE, page(rows, missing));
  const failed = rows.filter(({ report }) => report.outcome === "failed");
  expect(failed).toEqual([]);
  expect(rows.length).toBeGreaterThan(100);
}, 3_600_000);

function page(rows: readonly Row[], missing: readonly string[]): string {
  const count = (outcome: Report["outcome"]) =>
    rows.filter(({ report }) => report.outcome === outcome).length;
  const families = [...new Set(rows.map(({ family }) => family))].sort();
  const lines = families.map((family) => lineOf(family, rows));
  const head = [
    "family",
    "layers",
    "forks",
    "rewind",
    "attention",
    "drawn against scored",
    "remarks",
  ];
  return `# Families

Which architectures of llama.cpp ${sourceRelease()} run, as \`npm run test:study -- families\` found: it
makes a small model of random 32-bit weights of each that llama.cpp's own test can write, with and
without experts, and a few of our own, and runs each in a process of its own.

**${rows.length} files of ${families.length} families: ${count("run")} run, ${count("refused")} refused by name, ${count("failed")} failed.**

- _forks_: "proven" where forks passed the proof that \`llama-ets doctor -m FILE\` makes
  ([how](how-it-works.md#hybrid-and-recurrent-models)).
- _rewind_: where texts can be cut: anywhere, or nowhere (then \`mh\` and \`power\` read again what they
  keep).
- _attention_: whose computes it on a CPU with AVX2. Ours steps aside for ALiBi, sinks and some shapes.
- _drawn against scored_: the largest difference of the log-probabilities with which tokens were drawn
  and scored, in nats, one text at a time.
- Every autoregressive family that runs, runs every method, and takes the memory for keys, values and
  states that was planned, within 10%. Of the diffusion models, methods that have no meaning for them
  are refused by name.

| ${head.join(" | ")} |
| ${head.map(() => "---").join(" | ")} |
${lines.join("\n")}

llama.cpp knows these too, but its test writes no model of them: ${missing.filter((name) => !families.includes(name)).join(", ")}. Encoders and
embedding models among them are refused by name; a recurrent one is refused until its forks were proven.
`;
}

/** A row of the table: of the family's files the one that is farthest from perfect. */
function lineOf(family: string, rows: readonly Row[]): string {
  const reports = rows.filter((row) => row.family === family).map(({ report }) => report);
  const runs = reports.filter((report): report is Run => report.outcome === "run");
  const [run] = runs;
  const cells = (...more: string[]) => `| ${[`\`${family}\``, ...more].join(" | ")} |`;
  const other = reports.find(({ outcome }) => outcome !== "run");
  if (run === undefined || (other !== undefined && other.outcome === "failed")) {
    const { outcome, reason } = other as Exclude<Report, Run>;
    const why = reason.split("\n")[0]?.replace(/^.*its architecture `[^`]+` /, "") ?? "";
    return cells("", "", "", "", "", `${outcome}: ${why.replaceAll(directory, "")}`);
  }
  const layers =
    run.kind === "diffusion"
      ? "diffusion"
      : run.isRecurrent
        ? "recurrent"
        : run.isHybrid
          ? "hybrid"
          : run.slidingWindow > 0
            ? "windows"
            : "attention";
  if (run.kind === "diffusion") return cells(layers, "", "", "engine", "", remarksOf(run));
  const alone = Math.max(...runs.map((one) => one.alone));
  const attention = runs.every((one) => one.attention === "own") ? "own" : "engine";
  const rewind = runs.every((one) => one.rewind === "any") ? "any" : "tip";
  return cells(layers, "proven", rewind, attention, alone.toExponential(0), remarksOf(run));
}

function remarksOf({ wasUnknown, refused }: Run): string {
  if (wasUnknown) return "needs `doctor -m` first";
  const names = Object.keys(refused);
  return names.length > 0 ? `not ${names.join(", ")}` : "";
}
