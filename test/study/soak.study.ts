/**
 * 2,000 short runs, a quarter of them aborted in mid-run: memory, threads and handles stay flat, in this
 * process and isolated. Writes the table of docs/reliability.md.
 */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const SCRIPT = fileURLToPath(new URL("../fixtures/soak.mjs", import.meta.url));
const DOCUMENT = fileURLToPath(new URL("../../docs/reliability.md", import.meta.url));
const [BEGIN, END] = ["<!-- soak: begin -->", "<!-- soak: end -->"];
const [RUNS, EVERY] = [2000, 200];
/**
 * Over the second half of the runs, in MiB. A leak of 16 KiB a run is refused; engine threads that
 * outlived their contexts took 33.
 */
const MAX_GROWTH = 16;

interface Process {
  rssMiB: number;
  threads: number;
  handles: number;
}
interface Measured extends Process {
  runs: number;
  aborted: number;
  engine?: Process;
}

function soak(...where: string[]): Measured[] {
  const args = ["--expose-gc", SCRIPT, ROOT, String(RUNS), String(EVERY), ...where];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  expect(status, stderr).toBe(0);
  return stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Measured);
}

function expectFlat(series: readonly Process[]): void {
  const late = series.slice(Math.floor(series.length / 2));
  const [first, last] = [late[0], late.at(-1)] as [Process, Process];
  expect(last.rssMiB - first.rssMiB).toBeLessThan(MAX_GROWTH);
  expect([last.threads, last.handles]).toEqual([first.threads, first.handles]);
}

describe.runIf(process.platform === "linux")("after the first half, nothing grows", () => {
  let inProcess: Measured[] = [];
  let isolated: Measured[] = [];

  test("in this process", () => {
    inProcess = soak();
    expectFlat(inProcess);
  });

  test("in an app and in its engine's process", () => {
    isolated = soak("isolated");
    expectFlat(isolated);
    expectFlat(isolated.map(({ engine }) => engine as Process));
  });

  afterAll(() => {
    if (isolated.length > 0) write(inProcess, isolated);
  });
});

test("what leaks as engine threads once did is refused", () => {
  const series = (perRun: number, threads: number) =>
    Array.from({ length: RUNS / EVERY + 1 }, (_, i) => ({
      rssMiB: 100 + (i * EVERY * perRun) / 1024,
      threads: 12 + i * threads,
      handles: 20,
    }));
  expectFlat(series(1, 0));
  expect(() => expectFlat(series(33, 0))).toThrow();
  expect(() => expectFlat(series(0, 1))).toThrow();
});

function write(inProcess: readonly Measured[], isolated: readonly Measured[]): void {
  const cell = ({ rssMiB, threads, handles }: Process) =>
    `${Math.round(rssMiB)} MiB, ${threads}, ${handles}`;
  const rows = inProcess.flatMap((here, i) => {
    const apart = isolated[i] as Measured;
    const isShown = [0, EVERY, RUNS / 5, RUNS / 2, RUNS].includes(here.runs);
    const cells = [String(here.runs), cell(here), cell(apart), cell(apart.engine as Process)];
    return isShown ? [cells] : [];
  });
  const head = ["runs", "in this process", "isolated: the app", "isolated: its engine"];
  const widths = head.map((_, i) => Math.max(...[head, ...rows].map((row) => row[i]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    `| ${row.map((text, i) => text.padEnd(widths[i] as number)).join(" | ")} |`;
  const table = [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)];
  const text = readFileSync(DOCUMENT, "utf8");
  const [before, after] = [text.split(BEGIN)[0], text.split(END)[1]];
  writeFileSync(DOCUMENT, `${before}${BEGIN}\n\n${table.join("\n")}\n\n${END}${after}`);
}
