/** Comparisons of run directories: the numbers by hand, what is said loudly, hostile files. */
import { appendFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LlamaEtsError } from "../../src/engine/errors.js";
import { compareRuns } from "../../src/evaluate/compare/compare-runs.js";
import { publishedFor } from "../../src/evaluate/compare/published.js";
import { wilsonInterval } from "../../src/evaluate/statistics/wilson.js";
import { writeRun } from "../fixtures/run-directories.js";
import { temporary } from "../fixtures/temporary-directory.js";

const compare = async (...directories: string[]) => (await compareRuns(directories)).comparison;
const items = (...groups: [outcome: string, count: number][]) =>
  groups.flatMap(([outcome, count]) => Array.from({ length: count }, () => outcome));

describe("one run", () => {
  test("has accuracies, intervals and rates as computed by hand", async () => {
    const run = writeRun(
      "by-hand",
      { sample: items(["1", 4], ["0", 6]), ets: items(["1", 8], ["0", 2]) },
      { tokens: { sample: 50, ets: 400 } },
    );
    const { methods, items: count, warnings } = await compare(run);
    expect(count).toBe(10);
    expect(warnings).toEqual([]);
    const [sample, ets] = methods;
    expect(sample).toMatchObject({ name: "sample", items: 10, samples: 10, accuracy: 0.4 });
    expect(sample?.ci95).toEqual(wilsonInterval(4, 10));
    expect(sample?.interval).toBe("wilson");
    expect(ets?.tokens).toEqual({ generated: 400, proposal: 0, prefilled: 40, scored: 0 });
    expect(ets?.accuracyPer1kTokens.value).toBeCloseTo(0.8 / 0.4, 12);
    expect(ets?.accuracyPerSecond.value).toBeCloseTo(0.8 / 0.5, 12);
    // Tokens are the same for all items: the rate's interval is the accuracy's, over .4.
    const [low, high] = ets?.accuracyPer1kTokens.ci95 ?? [];
    expect(low).toBeCloseTo(0.5 / 0.4, 12);
    expect(high).toBeCloseTo(1 / 0.4, 12);
  });

  test("pairs methods item by item: ten wins are clear where the intervals overlap", async () => {
    const run = writeRun("paired", {
      sample: items(["1", 50], ["0", 50]),
      ets: items(["1", 60], ["0", 40]),
    });
    const { pairs, methods } = await compare(run);
    const [pair] = pairs;
    expect(pair).toMatchObject({ better: "ets", worse: "sample", items: 100, won: 10, lost: 0 });
    expect(pair?.difference).toBeCloseTo(0.1, 12);
    expect(pair?.pValue).toBeCloseTo(2 / 2 ** 10, 12);
    expect(pair?.ci95[0]).toBeGreaterThan(0.03);
    const [sample, ets] = methods;
    expect(sample?.ci95[1]).toBeGreaterThan(ets?.ci95[0] as number);
    // The twin: the same accuracies on other items differ by chance.
    const shuffled = writeRun("unpaired", {
      sample: items(["1", 50], ["0", 50]),
      ets: items(["0", 40], ["1", 60]),
    });
    const [unclear] = (await compare(shuffled)).pairs;
    expect(unclear).toMatchObject({ won: 50, lost: 40 });
    expect(unclear?.ci95[0]).toBeLessThan(0);
  });

  test("corrects for the number of pairs", async () => {
    const { pairs } = await compare(
      writeRun("holm", {
        sample: items(["1", 10], ["0", 30]),
        majority: items(["1", 16], ["0", 24]),
        ets: items(["1", 18], ["0", 22]),
      }),
    );
    expect(pairs.map(({ won, lost }) => [won, lost])).toEqual([
      [6, 0],
      [8, 0],
      [2, 0],
    ]);
    const byHand = [
      [2 / 64, 4 / 64],
      [2 / 256, 6 / 256],
      [0.5, 0.5],
    ];
    for (const [i, [pValue = 0, adjusted = 0]] of byHand.entries()) {
      expect(pairs[i]?.pValue).toBeCloseTo(pValue, 12);
      expect(pairs[i]?.adjusted).toBeCloseTo(adjusted, 12);
    }
  });

  test("tests against a baseline alone, and corrects for those tests", async () => {
    const flags = (right: number) => Array.from({ length: 30 }, (_, i) => (i < right ? "1" : "0"));
    const methods = { sample: flags(10), majority: flags(17), mh: flags(16), ets: flags(18) };
    const run = writeRun("baseline", methods);
    const all = (await compareRuns([run])).comparison.pairs;
    const { pairs } = (await compareRuns([run], { baseline: "sample" })).comparison;
    expect(pairs.map(({ worse }) => worse)).toEqual(["sample", "sample", "sample"]);
    const ofEts = (from: typeof pairs) =>
      from.find(({ better, worse }) => better === "ets" && worse === "sample");
    expect(ofEts(pairs)?.pValue).toBe(ofEts(all)?.pValue);
    expect(ofEts(pairs)?.adjusted).toBeCloseTo(3 * (ofEts(pairs)?.pValue as number), 12);
    expect(ofEts(all)?.adjusted).toBeCloseTo(6 * (ofEts(all)?.pValue as number), 12);
    await expect(compareRuns([run], { baseline: "greedy" })).rejects.toThrow(
      /`baseline`.*"sample"/,
    );
  });

  test("keeps an item's samples together: the bootstrap over items, and tests of items", async () => {
    const run = writeRun("clustered", {
      sample: items(["1111", 10], ["0000", 10]),
      ets: items(["1111", 10], ["1100", 10]),
    });
    const { methods, pairs } = await compare(run);
    const [sample] = methods;
    expect(sample).toMatchObject({ items: 20, samples: 80, accuracy: 0.5, interval: "bootstrap" });
    const [low = 0, high = 0] = sample?.ci95 ?? [];
    // Twenty coins, not eighty: R gives qbinom(c(.025, .975), 20, .5) / 20 = .3, .7.
    expect([low, high]).toEqual([0.3, 0.7]);
    expect(wilsonInterval(40, 80)[0]).toBeGreaterThan(low + 0.05);
    expect(pairs[0]).toMatchObject({ won: 10, lost: 0, difference: 0.25 });
  });

  test.each([
    ["right", "1", 1],
    ["wrong", "0", 0],
  ])("stays honest when everything is %s", async (_, outcome, accuracy) => {
    for (const samples of [1, 3]) {
      const outcomes = items([outcome.repeat(samples), 12]);
      const run = writeRun(`all-${outcome}-${samples}`, { sample: outcomes, ets: outcomes });
      const { methods, pairs } = await compare(run);
      expect(methods[0]).toMatchObject({ accuracy, ci95: wilsonInterval(12 * accuracy, 12) });
      expect(pairs[0]).toMatchObject({ difference: 0, pValue: 1, adjusted: 1 });
      // Twelve alike say little of the next one: as Wilson's interval does not end at its rate.
      const [low = 0, high = 0] = pairs[0]?.ci95 ?? [];
      expect(low).toBeCloseTo(-high, 12);
      expect(high).toBeGreaterThan(0.15);
    }
  });

  test("counts failed samples as neither right nor wrong, and says so", async () => {
    const run = writeRun("failed", { ets: items(["1", 6], ["x", 2]) });
    const { methods, warnings } = await compare(run);
    expect(methods[0]).toMatchObject({ accuracy: 1, failed: 2, items: 6, samples: 6 });
    expect(methods[0]?.tokens.generated).toBe(100);
    expect(warnings).toEqual([
      expect.stringMatching(
        /^2 of 8 samples of ets failed \(ERR_CONTEXT_FULL ×2\): they are left out, neither right nor wrong/,
      ),
    ]);
  });

  test("tests methods on the items of which each has a graded sample", async () => {
    const run = writeRun("failed-pairs", {
      sample: items(["1", 8]),
      ets: items(["1", 6], ["x", 2]),
    });
    const { items: count, pairs, warnings } = await compare(run);
    expect(count).toBe(6);
    // As wrong answers the two would have been lost.
    expect(pairs[0]).toMatchObject({ items: 6, won: 0, lost: 0, difference: 0 });
    expect(warnings[0]).toMatch(/\(sample 8, ets 6\): compared on the 6 that all have/);
  });

  test("is compared on the items that all methods have", async () => {
    const run = writeRun("uneven", {
      sample: items(["1", 10]),
      ets: items(["0", 4]),
      "ets-is": [],
    });
    const { items: count, methods, warnings } = await compare(run);
    expect(count).toBe(4);
    expect(methods.map(({ name, samples }) => [name, samples])).toEqual([
      ["sample", 4],
      ["ets", 4],
    ]);
    expect(warnings).toEqual([
      expect.stringMatching(/^Left out, without any sample: ets-is/),
      expect.stringMatching(/\(sample 10, ets 4\): compared on the 4 that all have/),
    ]);
  });
});

describe("several runs", () => {
  test("name a method by its run where several have it", async () => {
    const a = writeRun("runs/a", { sample: ["1"], ets: ["1"] });
    const b = writeRun("runs/b", { ets: ["0"], "best-of-n": ["1"] });
    const { methods, runs } = await compare(a, b);
    expect(methods.map(({ name }) => name)).toEqual(["sample", "a/ets", "b/ets", "best-of-n"]);
    expect(runs.map(({ directory }) => directory)).toEqual([a, b]);
    const deep = [writeRun("x/run", { ets: ["1"] }), writeRun("y/run", { ets: ["1"] })];
    const names = (await compare(...deep)).methods.map(({ name }) => name);
    expect(names).toEqual(["x/run/ets", "y/run/ets"]);
  });

  test("of another task have nothing in common, and nothing is tested", async () => {
    const a = writeRun("task-a", { sample: items(["1", 3]) });
    const renamed = items(["1", 5]);
    const b = writeRun("task-b", { ets: renamed }, { task: "gsm8k" });
    const lines = readFileSync(path.join(b, "samples.jsonl"), "utf8").replaceAll("item/", "other/");
    writeFileSync(path.join(b, "samples.jsonl"), lines);
    const { items: count, methods, pairs, warnings } = await compare(a, b);
    expect(count).toBe(0);
    expect(pairs).toEqual([]);
    expect(methods.map(({ items: own }) => own)).toEqual([3, 5]);
    expect(warnings.join("\n")).toMatch(/differ in their task: mini-gsm; gsm8k/);
    expect(warnings.join("\n")).toMatch(/nothing is tested/);
  });

  test("of another model, data, grading or reference answers are warned of", async () => {
    const a = writeRun("same", { sample: ["1"] });
    const other = writeRun(
      "other",
      { ets: ["1"] },
      { model: "llama 1B", mode: "compat", data: { path: "d", sha256: "0".repeat(64) }, gold: "7" },
    );
    const { warnings } = await compare(a, other);
    for (const what of ["model", "data", "grading"]) {
      expect(warnings).toContainEqual(expect.stringContaining(`differ in their ${what}: `));
    }
    expect(warnings).toContainEqual(expect.stringContaining("different reference answers"));
    expect((await compare(a)).warnings).toEqual([]);
  });
});

describe("run directories that are not what they should be", () => {
  const sampleFile = (directory: string) => path.join(directory, "samples.jsonl");
  const broken = (name: string, edit: (line: Record<string, unknown>) => void) => {
    const directory = writeRun(name, { ets: ["1", "1"] });
    const [first = "", second = ""] = readFileSync(sampleFile(directory), "utf8").split("\n");
    const sample = JSON.parse(second);
    edit(sample);
    writeFileSync(sampleFile(directory), `${first}\n${JSON.stringify(sample)}\n`);
    return directory;
  };

  test.each([
    [
      "a share above 1",
      (s: Record<string, unknown>) => Object.assign(s, { agreement: 2 }),
      "agreement",
    ],
    ["a missing field", (s: Record<string, unknown>) => delete s.correct, "correct"],
    ["a text that is none", (s: Record<string, unknown>) => Object.assign(s, { text: 5 }), "text"],
    [
      "negative tokens",
      (s: Record<string, unknown>) => Object.assign(s.usage as object, { generated: -1 }),
      "usage.generated",
    ],
  ])("name file, line and field: %s", async (name, edit, field) => {
    const directory = broken(name.replaceAll(" ", "-"), edit);
    const error = await compareRuns([directory]).catch((e: unknown) => e);
    expect(error).toMatchObject({ code: "ERR_INVALID_DATA" });
    expect((error as Error).message).toContain(`${sampleFile(directory)}, line 2, \`${field}\``);
  });

  test("are read without a last line that a kill left torn; torn in the middle they are refused", async () => {
    const directory = writeRun("torn", { ets: ["1", "0"] });
    appendFileSync(sampleFile(directory), '{"key":"abc');
    expect((await compare(directory)).methods[0]).toMatchObject({ samples: 2, accuracy: 0.5 });
    appendFileSync(sampleFile(directory), "\n");
    await expect(compareRuns([directory])).rejects.toThrow(/samples\.jsonl, line 3: expected JSON/);
  });

  test("without any sample, missing, or given twice are refused", async () => {
    const empty = writeRun("empty", { ets: [] }, { lines: [] });
    await expect(compareRuns([empty])).rejects.toMatchObject({ code: "ERR_INVALID_DATA" });
    await expect(compareRuns([temporary("none")])).rejects.toThrow(/run\.json/);
    await expect(compareRuns([empty, `${empty}/`])).rejects.toThrow(/twice/);
    await expect(compareRuns([])).rejects.toMatchObject({ code: "ERR_INVALID_OPTION" });
  });

  test("end in an error of the library or a comparison, whatever they hold", async () => {
    const directory = temporary("fuzzed");
    mkdirSync(directory, { recursive: true });
    const good = writeRun("good", { ets: ["1"], sample: ["0"] });
    const run = readFileSync(path.join(good, "run.json"), "utf8");
    const samples = readFileSync(sampleFile(good), "utf8");
    const damaged = (text: string) =>
      fc
        .tuple(fc.nat(text.length), fc.nat(40), fc.oneof(fc.string(), fc.json()))
        .map(([at, length, put]) => text.slice(0, at) + put + text.slice(at + length));
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(fc.constant(run), damaged(run)),
        fc.oneof(fc.constant(samples), damaged(samples), fc.string()),
        async (runText, sampleText) => {
          writeFileSync(path.join(directory, "run.json"), runText);
          writeFileSync(sampleFile(directory), sampleText);
          const outcome = await compareRuns([directory]).catch((error: unknown) => error);
          if (outcome instanceof Error) expect(outcome).toBeInstanceOf(LlamaEtsError);
        },
      ),
      { numRuns: 100 },
    );
    rmSync(directory, { recursive: true });
  }, 60_000);
});

describe("the paper's numbers", () => {
  const published = async (task: string, modelPath: string, model = "x") =>
    publishedFor(await compare(writeRun("paper", { ets: ["1"] }, { task, modelPath, model })));

  test("stand beside runs of its tasks and model families", async () => {
    const gsm8k = await published("gsm8k", "/m/Qwen3-1.7B-Q8_0.gguf");
    expect(gsm8k).toMatchObject({ model: "Qwen3-1.7B", task: "gsm8k" });
    expect(gsm8k?.rows.find(({ label }) => label === "ETS")).toEqual({
      method: "ets",
      label: "ETS",
      accuracy: 0.8188,
      relativeTime: 7.18,
    });
    expect(gsm8k?.rows.find(({ label }) => label === "Power")?.accuracy).toBeNull();
    expect((await published("math500", "/m/a.gguf", "qwen3 8B Q4_K"))?.model).toBe("Qwen3-8B");
    expect((await published("gpqa", "/m/LLaDA-8B-Instruct.gguf"))?.model).toBe("LLaDA-8B");
  });

  test.each([
    ["mini-gsm", "/m/Qwen3-8B.gguf"],
    ["gsm8k", "/m/Qwen3-4B.gguf"],
    ["gsm8k", "/m/Qwen2.5-1.7B.gguf"],
    ["gsm8k", "/m/Qwen3-1.8B.gguf"],
  ])("are none for %s with %s", async (task, model) => {
    expect(await published(task, model)).toBeNull();
  });
});
