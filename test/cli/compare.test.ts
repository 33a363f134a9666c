/** `compare`, `report` and `replay`: what they print and write, and what they refuse. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parquetReadObjects } from "hyparquet";
import { beforeAll, describe, expect, test } from "vitest";
import { textTable, toJsonLines, tokenTable } from "../../src/evaluate/compare/export-rows.js";
import { readRun } from "../../src/evaluate/store/read-run.js";
import { PROMPT } from "../fixtures/cli-ask.js";
import { cli, scratch, scratchFile } from "../fixtures/cli-process.js";
import { checkPage } from "../fixtures/html-page.js";
import { writeRun } from "../fixtures/run-directories.js";

const alternating = (n: number, every: number) =>
  Array.from({ length: n }, (_, i) => (i % every === 0 ? "0" : "1"));
const run = writeRun("cli-run", { sample: alternating(40, 2), ets: alternating(40, 8) });

// None of these draws: two at once are safe.
describe.concurrent("compare", () => {
  test("prints accuracies with intervals, and paired tests", async () => {
    const { code, stdout, stderr } = await cli(["compare", run]);
    expect(stderr).toBe("");
    expect(code).toBe(0);
    expect(stdout).toMatch(/^mini-gsm, mini-gsm-ref: 40 items, 80 samples$/m);
    expect(stdout).toMatch(/^ sample +50\.0% +35\.2% to 64\.8% +100 /m);
    expect(stdout).toMatch(/^ ets +87\.5% +73\.9% to 94\.5% +100 /m);
    expect(stdout).toMatch(
      /^ ets − sample +\+37\.5 +\+24\.2 to \+53\.0 +15 : 0 +< 0\.001 +< 0\.001/m,
    );
    expect(stdout).toMatch(/1 pair tested at once: Holm's correction/);
  });

  test("--json prints the comparison as one object", async () => {
    const { code, stdout } = await cli(["compare", run, "--json", "--paper"]);
    expect(code).toBe(0);
    const { methods, pairs, published, items } = JSON.parse(stdout);
    expect(items).toBe(40);
    expect(
      methods.map(({ name, accuracy }: { name: string; accuracy: number }) => [name, accuracy]),
    ).toEqual([
      ["sample", 0.5],
      ["ets", 0.875],
    ]);
    expect(pairs[0]).toMatchObject({ better: "ets", won: 15, lost: 0 });
    expect(published).toBeNull();
  });

  test("--paper prints the published numbers beside one's own, or that there are none", async () => {
    const none = await cli(["compare", run, "--paper"]);
    expect(none.stdout).toMatch(
      /The paper's numbers: none for this task and model; it has Qwen3-1\.7B/,
    );
    const options = { task: "gsm8k", modelPath: "/m/Qwen3-8B-Q4_K_M.gguf" };
    const qwen = writeRun("qwen", { sample: ["1", "0"], ets: ["1", "1"], mh: ["1", "1"] }, options);
    const { stdout } = await cli(["compare", qwen, "--paper", "--baseline", "sample"]);
    expect(stdout).toMatch(/2 pairs tested at once/); // of three, without the baseline
    expect(stdout).toMatch(/The paper's numbers \(Qwen3-8B, gsm8k; /);
    expect(stdout).toMatch(/^ Base +89\.4% +– +sample +50\.0% +9\.5% to 90\.5%/m);
    expect(stdout).toMatch(/^ ETS +94\.2% +7\.35× +ets +100\.0%/m);
    expect(stdout).toMatch(/^ ETS-IS +91\.8% +5\.26× +– /m);
    expect(stdout).toMatch(/^ +mh +100\.0%/m);
  });

  test("--report writes a page of several runs, and says loudly how they differ", async () => {
    const other = writeRun("cli-other", { ets: alternating(30, 3) }, { model: "llama 1B" });
    const page = scratch("compare.html");
    const { code, stdout } = await cli(["compare", run, other, "--report", page]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^caution: The runs differ in their model: /m);
    expect(stdout).toMatch(
      /^caution: The methods have different items .* compared on the 30 that all have/m,
    );
    const document = checkPage(readFileSync(page, "utf8"));
    expect(document.querySelector("h1")?.textContent).toBe("3 methods on mini-gsm");
    expect(document.querySelectorAll(".warning")).toHaveLength(2);
  });

  test("prints nothing that would steer a terminal", async () => {
    const steering = writeRun("steering", { "a\u001b[2Jb": ["1"] }, { task: "t\u001b]0;x\u0007" });
    const { stdout } = await cli(["compare", steering]);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    expect(stdout).not.toMatch(/[\u0007\u001b]/);
  });

  test.each([
    ["no directory", [], /missing required argument 'directories'/, 2],
    ["one that is none", ["nowhere"], /Could not read nowhere\/run\.json/, 1],
    ["an option that is none", [run, "--papers"], /unknown option '--papers'/, 2],
    ["a baseline that is none", [run, "--baseline", "smple"], /`baseline` .*\nTry: sample/, 2],
  ])("refuses %s", async (_, args, message, exit) => {
    const { code, stdout, stderr } = await cli(["compare", ...args]);
    expect([code, stdout]).toEqual([exit, ""]);
    expect(stderr).toMatch(message);
  });

  test("names the file, line and field of a bad sample", async () => {
    const bad = writeRun("cli-bad", { ets: ["1"] });
    const file = path.join(bad, "samples.jsonl");
    writeFileSync(file, readFileSync(file, "utf8").replace('"correct":true', '"correct":"yes"'));
    const { code, stderr } = await cli(["compare", bad]);
    expect(code).toBe(1);
    expect(stderr).toContain(`${file}, line 1, \`correct\``);
  });

  test("a report that can't be written is an error, after the comparison was printed", async () => {
    const { code, stdout, stderr } = await cli(["compare", run, "--report", "/nowhere/x.html"]);
    expect(code).toBe(1);
    expect(stdout).toContain("sample");
    expect(stderr).toMatch(/The report was not written: .*\(ERR_WRITE\)/);
  });
});

// The first of these draws alone.
describe.concurrent("a trace", () => {
  test("is drawn by ask --report and by report, and printed by replay", async () => {
    const [trace, page, again] = [
      scratch("trace.json"),
      scratch("ask.html"),
      scratch("again.html"),
    ];
    const options = ["--temperature", "1.2", "--seed", "3", "--threads", "1"];
    const asked = await cli([
      "ask",
      PROMPT,
      ...options,
      "--json",
      "--trace",
      trace,
      "--report",
      page,
    ]);
    expect(asked.code).toBe(0);
    const { answer, steps } = JSON.parse(asked.stdout);
    const document = checkPage(readFileSync(page, "utf8"));
    expect(document.querySelector(".question")?.textContent).toBe(PROMPT);
    expect((await cli(["report", trace, "-o", again])).code).toBe(0);
    expect(readFileSync(again, "utf8")).toBe(readFileSync(page, "utf8"));
    const { code, stdout, stderr } = await cli(["replay", trace]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout.startsWith(PROMPT)).toBe(true);
    expect(stdout.match(/^step \d+ {2}8 candidates/gm)).toHaveLength(steps.length);
    expect(stdout.match(/^▶ /gm)).toHaveLength(steps.length);
    expect(stdout).toContain(`answer ${answer}`);
  });

  test("of another version is refused, and no page is written", async () => {
    const newer = scratchFile("newer.json", JSON.stringify({ format: "llama-ets-trace/9" }));
    const page = scratch("newer.html");
    for (const args of [
      ["report", newer, "-o", page],
      ["replay", newer],
    ]) {
      const { code, stderr } = await cli(args);
      expect(code).toBe(1);
      expect(stderr).toMatch(/expected "llama-ets-trace\/1", got "llama-ets-trace\/9"/);
      expect(stderr).toMatch(/\nTry: the version of llama-ets that wrote it/);
    }
    expect(existsSync(page)).toBe(false);
  });

  test("and a run directory don't go together; directories alone do", async () => {
    const page = scratch("runs.html");
    const trace = scratchFile("any.json", "{}");
    const mixed = await cli(["report", run, trace, "-o", page]);
    expect([mixed.code, existsSync(page)]).toEqual([2, false]);
    expect((await cli(["report", run, "-o", page])).code).toBe(0);
    checkPage(readFileSync(page, "utf8"));
    expect((await cli(["report", "nowhere", "-o", page])).stderr).toContain(
      "Could not read nowhere",
    );
  });
});

describe("what a run kept", () => {
  const drawn = scratch("kept");

  beforeAll(async () => {
    const args = ["--methods", "majority:M=3,sample", "--limit", "2", "--out", drawn];
    const kept = ["--keep", "tokens,logprobs,entropies"];
    expect((await cli(["eval", "mini-gsm", ...args, ...kept])).code).toBe(0);
  });

  test("gives curves up to the texts that were drawn, and a table of them", async () => {
    const table = scratch("kept.csv");
    const args = ["compare", drawn, "--curves", "--json", "--export", table];
    const { stdout } = await cli(args);
    const { curves, methods } = JSON.parse(stdout);
    expect(curves.map(({ name }: { name: string }) => name)).toEqual(["majority:M=3"]);
    expect(curves[0].points.map(({ k }: { k: number }) => k)).toEqual([1, 2, 3]);
    const last = curves[0].points.at(-1);
    const [majority] = methods;
    expect([last.majority.accuracy, last.generated]).toEqual([
      majority.accuracy,
      majority.tokens.generated,
    ]);
    expect(last.best).toBeNull();
    expect(readFileSync(table, "utf8").match(/majority:M=3,0,/g)).toHaveLength(6);
    const parquet = scratch("kept.parquet");
    const tokens = scratch("tokens.jsonl");
    const both = ["--export", parquet, "--export-tokens", tokens];
    const printed = await cli(["compare", drawn, "--curves", ...both]);
    expect(printed.stdout).toContain("pass@k");
    const bytes = readFileSync(parquet);
    const rows = await parquetReadObjects({ file: new Uint8Array(bytes).buffer as ArrayBuffer });
    expect(rows).toHaveLength(8);
    const read = await readRun(drawn);
    const [first] = textTable([read]).rows;
    expect(rows[0]).toEqual(first);
    expect(readFileSync(tokens, "utf8")).toBe([...toJsonLines(tokenTable([read]))].join(""));
  });

  test("holds each token of each text, with what the text's sums are made of", async () => {
    const read = await readRun(drawn);
    const rows = [...tokenTable([read]).rows];
    for (const text of textTable([read]).rows) {
      const same = ["item", "method", "sample", "text_index", "chosen"] as const;
      const own = rows.filter((row) => same.every((name) => row[name] === text[name]));
      expect(own.map(({ position }) => position)).toEqual(own.map((_, i) => i));
      expect(own).toHaveLength(Number(text.generated));
      expect(own.map(({ token }) => token).join("")).toContain(text.text);
      const sum = own.reduce((total, { log_prob }) => total + Number(log_prob), 0);
      if (text.log_prob !== null) expect(sum).toBeCloseTo(Number(text.log_prob), 9);
      for (const { entropy, log_prob } of own) {
        expect(Number(entropy)).toBeGreaterThanOrEqual(0);
        expect(Number(log_prob)).toBeLessThanOrEqual(0);
      }
    }
  });

  test("tells a run without tokens how they are kept", () => {
    expect(() => tokenTable([])).toThrow("No tokens were kept");
  });

  test("a run and itself do not differ; --export names its forms", async () => {
    const { stdout } = await cli(["diff", drawn, drawn]);
    expect(stdout).toBe("4 samples in common: 0 became right, 0 wrong; 0 texts differ\n");
    const { code, stderr } = await cli(["compare", drawn, "--export", "x.xlsx"]);
    expect(stderr).toContain("Expected --export to end in .csv, .jsonl or .parquet");
    expect(code).toBe(2);
  });
});
