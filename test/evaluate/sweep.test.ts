/** Sweeps: what their files may say, and that settings are judged on items that didn't choose them. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { GradedSample } from "../../src/evaluate/store/run-files.js";
import {
  bestSettings,
  choosesSettings,
  scoreSettings,
} from "../../src/evaluate/sweep/best-settings.js";
import { parseSweep } from "../../src/evaluate/sweep/sweep-config.js";
import { sweepReport } from "../../src/report/sweep/sweep-report.js";
import { checkPage } from "../fixtures/html-page.js";

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
    ...{ name: `ets:candidates=${candidates}`, method: "ets" as const },
    ...{ options: { candidates }, varied: { candidates } },
  }));
  const sample = (method: string, item: string, correct: boolean) =>
    ({
      ...{ method, item, correct, sample: 0 },
      usage: { generated: method.endsWith("2") ? 10 : 20, ms: 5 },
    }) as unknown as GradedSample;

  test("is chosen on its half alone: what the other half says changes nothing", () => {
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
      sweepReport([
        {
          ...{ task: "<b>", model: "m", directories: [], settings, best: best ? [best] : [] },
          ...{ failed: 0, endedEarly: false },
        },
      ]),
    );
  });

  test("of equals is the cheaper one", () => {
    const drawn = items.flatMap((item) => methods.map(({ name }) => sample(name, item, true)));
    expect(bestSettings(scoreSettings(methods, drawn), drawn)[0]?.name).toBe("ets:candidates=2");
  });
});
