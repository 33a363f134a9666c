/**
 * Sweeps: what their files may say, that settings are judged on items that didn't choose them, and how a
 * total budget is shared.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import fc from "fast-check";
import seedrandom from "seedrandom";
import { describe, expect, test } from "vitest";
import type { DrawJob } from "../../src/evaluate/jobs.js";
import { isVoteSettled, tokensOf, votedSample } from "../../src/evaluate/store/item-votes.js";
import { readRun } from "../../src/evaluate/store/read-run.js";
import type { GradedSample, Sample } from "../../src/evaluate/store/run-files.js";
import {
  bestSettings,
  choosesSettings,
  scoreSettings,
} from "../../src/evaluate/sweep/best-settings.js";
import { readSweep } from "../../src/evaluate/sweep/read-sweep.js";
import { parseSweep } from "../../src/evaluate/sweep/sweep-config.js";
import { batchesWithin } from "../../src/evaluate/total-budget.js";
import { renderFigures, renderReport, renderWithItems } from "../../src/report/render-report.js";
import { sweepReport } from "../../src/report/sweep/sweep-report.js";
import { checkPage } from "../fixtures/html-page.js";
import { temporary } from "../fixtures/temporary-directory.js";

const parse = (text: string) => parseSweep(text, "sweep.yaml");

describe("a sweep's file", () => {
  test("has every combination of its lists' values, and the rest is fixed", async () => {
    const { methods, seeds, tasks } = await parse(`
tasks: [mini-gsm, { task: module:own.mjs, data: own.csv }]
seeds: 3
methods:
  - greedy
  - { method: ets, candidates: [2, 4], lambda: [0.1, 1, 0.1], rollouts: 2 }
`);
    expect(methods.map(({ name }) => name)).toEqual([
      "greedy",
      ...["2", "4"].flatMap((m) => ["0.1", "1"].map((l) => `ets:candidates=${m}:lambda=${l}`)),
    ]);
    expect(methods[1]?.options).toEqual({ candidates: 2, lambda: 0.1, rollouts: 2 });
    expect([seeds, tasks]).toEqual([
      [3],
      [{ task: "mini-gsm" }, { task: "module:own.mjs", data: "own.csv" }],
    ]);
  });

  test.each([
    ["a field that is none", "tasks: mini-gsm\nmethods: [ets]\nlimits: 3", /limits/],
    ["a method that is none", "tasks: mini-gsm\nmethods: [magic]", /methods/],
    ["an option that is none", "tasks: a\nmethods: [{ method: ets, lamda: [1] }]", /lamda/],
    ["a value that is out of range", "tasks: a\nmethods: [{ method: ets, lambda: [0] }]", /lambda/],
    ["no methods", "tasks: mini-gsm", /methods/],
    ["a list within a list", "tasks: a\nmethods: [{ method: ets, lambda: [[1]] }]", /methods/],
    ["text that is no YAML", "tasks: [a", /sweep\.yaml/],
    ["nothing", "", /sweep\.yaml/],
    [
      "far too many settings to make",
      `tasks: x\nmethods: [{ method: ets, ${["candidates", "rollouts", "steps"].map((name) => `${name}: [${[...Array(1000).keys()]}]`).join(", ")} }]`,
      /1000000000 settings/,
    ],
    [
      "too many runs",
      `tasks: [x, y]\nmethods: [sample]\nseeds: [${[...Array(501).keys()]}]`,
      /1002 runs/,
    ],
    [
      "too many settings",
      `tasks: a\nmethods: [{ method: ets, candidates: [${Array.from({ length: 40 }, (_, i) => i + 1)}], rollouts: [${Array.from({ length: 40 }, (_, i) => i)}] }]`,
      /1600 settings/,
    ],
  ])("with %s is refused", async (_, text, says) => {
    await expect(parse(text)).rejects.toThrow(says);
    await expect(parse(text)).rejects.toMatchObject({ code: /^ERR_INVALID_(OPTION|DATA)$/ });
  });

  test("of any content is a sweep or an error of the library", async () => {
    await fc.assert(
      fc.asyncProperty(fc.json(), async (text) => {
        const error = await parse(text).then(
          () => null,
          (refused) => refused,
        );
        if (error !== null)
          expect(error).toMatchObject({ code: expect.stringMatching(/^ERR_INVALID/) });
      }),
      { numRuns: 100 },
    );
  });
});

describe("the best setting", () => {
  const items = Array.from({ length: 200 }, (_, i) => `item/${i}`);
  const methods = [2, 4].map((candidates) => ({
    name: `ets:candidates=${candidates}`,
    method: "ets" as const,
    options: { candidates },
    varied: { candidates },
  }));
  const sample = (method: string, item: string, correct: boolean) =>
    ({
      method,
      item,
      correct,
      sample: 0,
      usage: { generated: method.endsWith("2") ? 10 : 20, ms: 5 },
    }) as unknown as GradedSample;

  test("is chosen on its half alone: what the other half says changes nothing", async () => {
    // The first is right where settings are chosen, and nowhere else; the second the other way round.
    const drawn = items.flatMap((item) => [
      sample("ets:candidates=2", item, choosesSettings(item)),
      sample("ets:candidates=4", item, !choosesSettings(item)),
    ]);
    const settings = scoreSettings(methods, drawn);
    const [best] = bestSettings(settings, drawn);
    expect(best).toMatchObject({
      name: "ets:candidates=2",
      chosenBy: { accuracy: 1 },
      heldOut: { accuracy: 0 },
    });
    const halves = items.filter(choosesSettings).length;
    expect(halves).toBeGreaterThan(70);
    expect(halves).toBeLessThan(130);
    checkPage(
      await sweepReport([
        {
          task: "<b>",
          model: "m",
          directories: [],
          settings,
          best: best ? [best] : [],
          failed: 0,
          endedEarly: false,
        },
      ]),
    );
  });

  test("of equals is the cheaper one", () => {
    const drawn = items.flatMap((item) => methods.map(({ name }) => sample(name, item, true)));
    expect(bestSettings(scoreSettings(methods, drawn), drawn)[0]?.name).toBe("ets:candidates=2");
  });
});

describe("a sweep's directory", () => {
  const directory = temporary("sweep");
  const score = { items: 4, accuracy: 0.5, ci95: [0.1, 0.9] as [number, number] };
  const settings = [2, 4].flatMap((candidates) =>
    [0.1, 1].map((lambda) => ({
      name: `ets:candidates=${candidates}:lambda=${lambda}`,
      method: "ets" as const,
      varied: { candidates, lambda },
      all: score,
      generated: 10,
      seconds: 1,
    })),
  );
  const result = {
    task: "mini-gsm",
    model: "m",
    directories: ["a"],
    settings,
    failed: 0,
    endedEarly: false,
    best: [{ method: "ets" as const, name: "ets", chosenBy: score, heldOut: score }],
  };
  const write = (content: string) => {
    mkdirSync(directory, { recursive: true });
    writeFileSync(path.join(directory, "sweep.json"), content);
  };

  test("is a report's source, and its figures say which task they are of", async () => {
    write(JSON.stringify([result, { ...result, task: "own" }]));
    expect(await readSweep(directory)).toEqual([result, { ...result, task: "own" }]);
    const page = await renderReport([directory]);
    checkPage(page);
    const figures = await renderFigures([directory], page);
    expect(figures.map(({ name }) => name)).toEqual(
      ["mini-gsm-m", "own-m"].flatMap((where) => [
        `accuracy-against-generated-tokens-a-sample-${where}`,
        `accuracy-against-seconds-a-sample-${where}`,
        `accuracy-of-ets-${where}`,
      ]),
    );
    for (const { svg } of figures) {
      expect(svg).not.toContain("var(--");
      expect(svg).toMatch(/ets|lambda/);
    }
  });

  test.each([
    ["a text that is cut", `[{"task"`, /sweep\.json: expected JSON.*\nTry: .*--resume/s],
    ["a field that is missing", JSON.stringify([{ ...result, best: undefined }]), /`0\.best`/],
    ["no result", "[]", /sweep\.json/],
  ])("with %s is refused", async (_, content, why) => {
    write(content);
    await expect(renderReport([directory])).rejects.toMatchObject({
      code: "ERR_INVALID_DATA",
      message: expect.stringMatching(why),
    });
  });

  test("is alone, has no items' pages, and is no run, but names those within it", async () => {
    const run = path.join(directory, "mini-gsm", "m", "seed-0");
    mkdirSync(run, { recursive: true });
    writeFileSync(path.join(run, "run.json"), "{}");
    await expect(renderReport([directory, directory])).rejects.toThrow(/one sweep alone/);
    await expect(renderReport([directory], "x")).rejects.toThrow(/--item is for run directories/);
    await expect(renderWithItems([directory], "x.html")).rejects.toThrow(/--items is for run/);
    await expect(readRun(directory)).rejects.toThrow(
      `\`llama-ets eval --out\` wrote, such as ${run}`,
    );
  });
});

describe("a total budget", () => {
  const MOST = 8;
  const answered = (answers: readonly (string | null)[]) =>
    answers.map(
      (answer, sample) =>
        ({ answer, sample, correct: answer === "1", usage: { generated: 3 } }) as GradedSample,
    );
  const vote = (answers: readonly (string | null)[]) => {
    const voted = votedSample(answered(answers));
    return voted !== undefined && "answer" in voted ? voted.answer : undefined;
  };

  test("a vote that nothing could turn is settled, and only such a one before it is certain", () => {
    const answer = fc.constantFrom("1", "2", "3", null);
    fc.assert(
      fc.property(fc.array(answer, { maxLength: MOST }), (answers) => {
        const left = MOST - answers.length;
        // What could turn the vote soonest, of all that may follow, is one other answer, or a new one.
        const rivals = ["1", "2", "3", "new"].filter((rival) => rival !== vote(answers));
        const turned = rivals.some(
          (rival) => vote([...answers, ...Array(left).fill(rival)]) !== vote(answers),
        );
        expect(isVoteSettled(answered(answers), MOST)).toBe(left === 0 || !turned);
      }),
    );
    const agreeing = answered(Array(8).fill("1"));
    expect(isVoteSettled(agreeing, 1000)).toBe(true); // 1 / 2^8 is below the error
    expect(isVoteSettled(agreeing.slice(0, 5), 1000)).toBe(false);
  });

  test("an item's samples are one at the cost of all, failed ones aside", () => {
    const failed = { error: { code: "ERR_REWARD" }, sample: 9 } as unknown as Sample;
    const samples = [...answered(["2", "1", "1"]), failed];
    expect(votedSample(samples)).toMatchObject({ answer: "1", sample: 1, correct: true });
    expect(votedSample(samples)).toMatchObject({ usage: { generated: 9 } });
    expect(votedSample([failed])).toBe(failed);
  });

  /** Three methods' samples of five items: made up, each by its key. */
  const jobs = Array.from({ length: MOST }, (_, sample) =>
    ["a", "b", "c"].flatMap((name) =>
      Array.from({ length: 5 }, (_, i) => ({
        key: `${name}/${i}/${sample}`,
        name,
        sample,
        item: { id: String(i) },
      })),
    ),
  ).flat() as unknown as DrawJob[];
  const drawAs = (job: DrawJob, world: number): Sample => {
    const random = seedrandom(`${world} ${job.key}`);
    const [generated, answer] = [1 + Math.floor(random() * 10), random() < 0.7 ? "1" : "2"];
    return { ...job, answer, correct: true, usage: { generated } } as unknown as Sample;
  };
  const spend = (drawn: ReadonlyMap<string, Sample>, method: string) =>
    [...drawn.values()]
      .filter((sample) => (sample as unknown as DrawJob).name === method)
      .reduce((sum, sample) => sum + tokensOf(sample), 0);

  test("is never exceeded, and what it draws hangs on no batch, interruption or earlier, smaller one", () => {
    const numbers = [fc.nat(), fc.integer({ min: 50, max: 400 }), fc.nat(6)] as const;
    fc.assert(
      fc.property(...numbers, (world, tokens, interruptions) => {
        const share = (most: number) => ({ tokens: most, perSample: 10 });
        const planOf = (most: number) => ({ a: share(most), b: share(most), c: share(50) });
        const run = (
          drawn: Map<string, Sample>,
          most: number,
          stopAfter = Number.POSITIVE_INFINITY,
        ) => {
          let left = stopAfter;
          for (const batch of batchesWithin(planOf(most), jobs, drawn)) {
            for (const job of batch) {
              if (left-- <= 0) return drawn;
              drawn.set(job.key, drawAs(job, world));
            }
          }
          return drawn;
        };
        const whole = run(new Map(), tokens);
        for (const name of ["a", "b"]) expect(spend(whole, name)).toBeLessThanOrEqual(tokens);
        expect(spend(whole, "c")).toBeLessThanOrEqual(50);
        const broken = run(new Map(), Math.floor(tokens / 2));
        for (let i = 0; i < interruptions; i++) run(broken, tokens, i);
        run(broken, tokens);
        expect([...broken.keys()].sort()).toEqual([...whole.keys()].sort());
        // Unsettled items are left only where another sample might not be paid for.
        for (const name of ["a", "b"]) {
          const open = Array.from({ length: 5 }, (_, i) => i).some((item) => {
            const keys = Array.from({ length: MOST }, (_, n) => `${name}/${item}/${n}`);
            return !isVoteSettled(
              keys.flatMap((key) => whole.get(key) ?? []),
              MOST,
            );
          });
          if (open) expect(spend(whole, name)).toBeGreaterThan(tokens - 10);
        }
      }),
      { numRuns: 10 },
    );
  });
});
