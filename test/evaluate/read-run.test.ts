import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { mergeRuns } from "../../src/evaluate/store/merge-runs.js";
import { readRun } from "../../src/evaluate/store/read-run.js";
import type { GradedSample, MethodRecord, RunRecord } from "../../src/evaluate/store/run-files.js";
import { summarise } from "../../src/evaluate/store/summary.js";
import { temporary } from "../fixtures/temporary-directory.js";

const hash = (n: number) => n.toString(16).padStart(64, "0");

const RUN: RunRecord = {
  format: "llama-ets-run/1",
  task: "mini-gsm",
  data: { path: "/data/mini-gsm-test.jsonl", sha256: hash(1) },
  items: 2,
  methods: [{ name: "ets", method: "ets", settings: { candidates: 4 } }],
  samples: 1,
  seed: 0,
  mode: "fair",
  form: "chat",
  model: { path: "/models/m.gguf", sha256: hash(2), description: "llama", parameters: 12 },
  versions: { llamaEts: "0.1.0", llamaCpp: "b1", node: "20.0.0" },
  machine: { cpu: "a CPU", cores: 2, memory: 1e9, gpu: false },
  startedAt: "2026-01-01T00:00:00.000Z",
};

function sample(n: number, changes: Partial<GradedSample> = {}): GradedSample {
  return {
    key: hash(n),
    task: "mini-gsm",
    item: `mini-gsm/${n}`,
    method: "ets",
    sample: 0,
    seed: n,
    gold: "4",
    text: "#### 4",
    answer: "4",
    extracted: "4",
    correct: true,
    stopReason: "end",
    agreement: 1,
    gradedBy: "fair",
    warnings: [],
    steps: [],
    usage: { prefilled: 5, generated: 10, decoded: 8, scored: 0, ms: 3 },
    ...changes,
  };
}

const failed = (n: number) => {
  const { key, task, item, method, sample: number, seed } = sample(n);
  const error = { code: "ERR_CONTEXT_FULL", message: "too long" };
  return { key, task, item, method, sample: number, seed, error };
};

function directory(name: string, lines: string, run: unknown = RUN): string {
  const path = temporary(name);
  mkdirSync(path);
  writeFileSync(`${path}/run.json`, JSON.stringify(run));
  writeFileSync(`${path}/samples.jsonl`, lines);
  return path;
}

const jsonLines = (...values: unknown[]) => values.map((v) => `${JSON.stringify(v)}\n`).join("");

describe("readRun", () => {
  test.skipIf(!existsSync("/dev/zero"))("refuses what is no file", async () => {
    const path = directory("endless", "");
    rmSync(`${path}/samples.jsonl`);
    symlinkSync("/dev/zero", `${path}/samples.jsonl`);
    await expect(readRun(path)).rejects.toMatchObject({
      code: "ERR_INVALID_DATA",
      message: expect.stringMatching(/samples\.jsonl: it is not a regular file/),
    });
  });

  test("reads what was written, and drops a torn last line", async () => {
    const whole = jsonLines(sample(1), sample(2));
    const path = directory("torn", whole + JSON.stringify(sample(3)).slice(0, 80));
    const { run, samples, wholeBytes } = await readRun(path);
    expect(run).toEqual(RUN);
    expect(samples).toEqual([sample(1), sample(2)]);
    expect(wholeBytes).toBe(Buffer.byteLength(whole));
  });

  test("takes the sample that came after a failure, and no later one of its key", async () => {
    const path = directory("retried", jsonLines(failed(1), sample(1), failed(1), failed(2)));
    expect((await readRun(path)).samples).toEqual([sample(1), failed(2)]);
  });

  test.each([
    [
      "a line that is no JSON",
      `${jsonLines(sample(1))}{"key":\n`,
      /samples\.jsonl, line 2: .*JSON/,
    ],
    ["a missing field", jsonLines({ ...sample(1), text: undefined }), /line 1, `text`/],
    [
      "a count that is no count",
      jsonLines(sample(1, { usage: { ...sample(1).usage, generated: -1 } })),
      /line 1, `usage\.generated`/,
    ],
    ["an error without a code", jsonLines({ ...failed(1), error: {} }), /line 1, `error\.code`/],
  ])("names file, line and field of %s", async (name, lines, message) => {
    const reading = readRun(directory(name.replaceAll(" ", "-"), lines));
    await expect(reading).rejects.toMatchObject({
      code: "ERR_INVALID_DATA",
      message: expect.stringMatching(message),
    });
  });

  test.each([
    ["no directory", temporary("missing"), /run\.json/],
    [
      "another format",
      directory("other", "", { ...RUN, format: "other/1" } as unknown as RunRecord),
      /run\.json, `format`: expected llama-ets-run\/1, got other\/1\nTry: the version/,
    ],
    [
      "a sample of no method of the run",
      directory("no-method", jsonLines(sample(1), sample(2, { method: "mh" }))),
      /line 2: run\.json names no method mh\nTry: the file without that line/,
    ],
    [
      "a run without a field",
      directory("no-seed", "", { ...RUN, seed: undefined } as unknown as RunRecord),
      /run\.json, `seed`: .*\nTry: /,
    ],
  ])("refuses %s", async (_, path, message) => {
    await expect(readRun(path)).rejects.toThrow(message);
  });
});

function thrownBy(what: () => unknown): Error {
  try {
    what();
  } catch (error) {
    return error as Error;
  }
  throw new Error("nothing was thrown");
}

describe("mergeRuns", () => {
  const other = (changes: Partial<RunRecord>) => () =>
    mergeRuns("runs/x", RUN, { ...RUN, ...changes });

  test.each<[string, Partial<RunRecord>]>([
    ["`seed`", { seed: 1 }],
    ["`mode`", { mode: "compat" }],
    ["`form`", { form: "paper" }],
    ["`data`", { data: { ...RUN.data, sha256: hash(3) } }],
    ["`model`", { model: { ...RUN.model, sha256: hash(3) } }],
    ["`candidates` of ets", { methods: [{ name: "ets", method: "ets", settings: {} }] }],
    ["method ets", { methods: [{ ...(RUN.methods[0] as MethodRecord), method: "mh" }] }],
  ])("refuses another %s", (what, changes) => {
    expect(other(changes)).toThrow(`runs/x holds a run whose ${what} is`);
  });

  const file = (path: string, digit: number) => ({ path, sha256: hash(digit) });
  const judged = (settings: object) => ({
    ...RUN,
    taskFile: file("task.mjs", 1),
    methods: [{ name: "ets", method: "ets", settings } as MethodRecord],
  });
  const reward = { reward: "0.5*self-consistency+module:judge.mjs", rewardFiles: [hash(1)] };
  const potential = { potential: "module:words.mjs", potentialFiles: [hash(1)] };
  test.each<[string, RunRecord, RegExp]>([
    [
      "task file",
      { ...judged(reward), taskFile: file("task.mjs", 2), data: { ...RUN.data, sha256: hash(9) } },
      /task file is task\.mjs; that file has changed since\nTry: `llama-ets regrade runs\/x`/,
    ],
    [
      "moved task file",
      { ...judged(reward), taskFile: file("other.mjs", 2) },
      /task file is task\.mjs; this one's is other\.mjs, which holds something else/,
    ],
    [
      "reward's file",
      judged({ ...reward, ...potential, rewardFiles: [hash(2)] }),
      /`reward` of ets is judge\.mjs; that file has changed since\nTry: the file as it was, or/,
    ],
    [
      "potential's file",
      judged({ ...reward, ...potential, potentialFiles: [hash(2)] }),
      /`potential` of ets is words\.mjs; that file has changed since/,
    ],
    [
      "grader",
      { ...judged({ ...reward, ...potential }), grader: file("judge:m.gguf", 1) },
      /a run without a `grader`; this one's is judge:m\.gguf\nTry: `llama-ets regrade/,
    ],
  ])("names a changed %s, and no hash", (_, now, message) => {
    const before = judged({ ...reward, ...potential });
    const error = thrownBy(() => mergeRuns("runs/x", before, now));
    expect(error.message).toMatch(message);
    expect(error.message).not.toContain(hash(1).slice(0, 9));
  });

  test("takes more items, samples and methods, and a proposal; fewer take nothing away", () => {
    const more = {
      items: 9,
      samples: 2,
      proposal: RUN.model,
      methods: [{ name: "mh", method: "mh", settings: {} }],
    };
    const merged = other(more)();
    expect(merged).toEqual({ ...RUN, ...more, methods: [...RUN.methods, ...more.methods] });
    expect(mergeRuns("runs/x", merged, RUN)).toEqual(merged);
  });
});

describe("summarise", () => {
  test("counts failures as neither right nor wrong, and adds up tokens", () => {
    const wrong = sample(2, { correct: false });
    const { methods } = summarise(RUN, [sample(1), wrong, sample(3), failed(4)]);
    expect(methods).toEqual({
      ets: {
        n: 3,
        failed: 1,
        accuracy: 2 / 3,
        ci95: expect.any(Array),
        generated: 30,
        prefilled: 15,
        scored: 0,
        ms: 9,
      },
    });
  });

  test("knows no accuracy where every sample failed", () => {
    const { methods } = summarise(RUN, [failed(1), failed(2)]);
    expect(methods.ets).toMatchObject({ n: 0, failed: 2, accuracy: null, ci95: null });
  });

  test("averages scores, each category's over the samples that have it", () => {
    const { methods } = summarise(RUN, [
      sample(1, { score: 1, categories: { a: 1 } }),
      sample(2, { score: 0.5, categories: { a: 0, b: 1 } }),
    ]);
    expect(methods.ets).toMatchObject({ score: 0.75, categories: { a: 0.5, b: 1 } });
  });

  test("leaves out a method without samples", () => {
    expect(summarise(RUN, []).methods).toEqual({});
  });
});
