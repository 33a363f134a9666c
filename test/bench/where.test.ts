/** The study of docs/where-guidance-pays.md: its tasks' rewards, and how it compares. No model is loaded. */
import { writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { temporary } from "../fixtures/temporary-directory.js";

const load = (file: string) => import(new URL(`../../bench/where/${file}`, import.meta.url).href);
const { keywords, share: wordShare } = await load("keywords.mjs");
const { records, grounded, groundedSoFar } = await load("records.mjs");
const { counts, share: countShare, promise } = await load("counts.mjs");
const { tone, cheer } = await load("tone.mjs");
const { exampleTests } = await load("code.mjs");
const { bestOf, electedOf, compare, regrets } = await load("results.mjs");

describe("the tasks", () => {
  test.each(Object.entries({ keywords, records, counts, tone }))(
    "%s makes different rows, the same each time, which its task loads",
    async (name, entry) => {
      const rows = entry.rows(60);
      expect(rows).toEqual(entry.rows(60));
      expect(new Set(rows.map(({ prompt }: { prompt: string }) => prompt)).size).toBe(60);
      const file = temporary(`${name}.jsonl`);
      writeFileSync(file, rows.map((row: object) => `${JSON.stringify(row)}\n`).join(""));
      const items = await entry.task.load(file);
      expect(items).toHaveLength(60);
      const grader = await entry.task.openGrader();
      for (const item of items.filter(({ gold }: { gold: string }) => gold !== "")) {
        expect(await grader.grade(item, item.gold)).toMatchObject({ score: 1, correct: true });
      }
      expect((await grader.grade(items[0], "Nothing of it")).correct).toBe(false);
    },
  );

  test("keywords: the share of the words", () => {
    const item = { words: ["owl", "map"] };
    expect(wordShare({ text: "Two owls.", item })).toBe(0.5);
    expect(wordShare({ text: "An owl with a MAP", item })).toBe(1);
    expect(wordShare({ text: "A bowl of maple", item })).toBe(0);
  });

  test("records: what stands in the text, of whole records and of beginnings", () => {
    const item = { source: "Ann Lee, 40, is a nurse in Rome. Bob is 7." };
    const text = '{"name": "Ann Lee", "age": 7, "city": "Paris", "job": "nurse"}';
    expect(grounded({ text, item })).toBe(0.75);
    expect(grounded({ text: `\`\`\`json\n${text}\n\`\`\``, item })).toBe(0.75);
    expect(grounded({ text: text.slice(0, -1), item })).toBe(0);
    const soFar = (beginning: string) =>
      groundedSoFar({ text: beginning, item, finishReason: null });
    expect(soFar('{"name": "Ann Lee", "age": 4')).toBe(0.25);
    expect(soFar('{"name": "Ann Lee", "age": 40,')).toBe(0.5);
  });

  test("counts: topic, sentences and words, and what a beginning can still become", () => {
    const item = { topic: "the sea", sentences: 2, words: 3 };
    expect(countShare({ text: "The sea sings. I hear it.", item })).toBe(1);
    expect(countShare({ text: "The sea sings. I hear it now.", item })).toBeCloseTo(2.5 / 3, 12);
    expect(countShare({ text: "The sky sings.", item })).toBeCloseTo(0.5 / 3, 12);
    const soFar = (text: string) => promise({ text, item, finishReason: null });
    expect(soFar("The sea sings. I")).toBe(1);
    expect(soFar("The sea sings loud. I")).toBeCloseTo(2 / 3, 12);
  });

  test("tone: VADER's, from 0 to 1", () => {
    expect(cheer({ text: "A lovely, happy day!" })).toBeGreaterThan(0.8);
    expect(cheer({ text: "A horrible, sad day." })).toBeLessThan(0.2);
    expect(cheer({ text: "A day." })).toBe(0.5);
  });

  test("code: the docstring's examples", () => {
    const prompt = 'def f(x):\n    """\n    >>> f(1)\n    2\n    >>> f(2)\n    3\n    """\n';
    expect(exampleTests({ prompt })).toEqual(["assert (f(1)) == (2)", "assert (f(2)) == (3)"]);
    expect(exampleTests({ prompt: "def f(x):\n" })).toEqual([]);
  });
});

const text = (reward: number, score: number, answer: string | null, tokens = 10) => {
  return { reward, score, correct: score === 1, answer, tokens };
};

describe("the comparison", () => {
  const pool = {
    cpu: 3,
    texts: [text(0.5, 0.1, "a"), text(0.5, 0.2, "b"), text(0.9, 0.3, "b")],
  };

  test("takes the first of the best, and the first of the most frequent answer", () => {
    expect([1, 2, 3].map((n) => bestOf(pool, n).score)).toEqual([0.1, 0.1, 0.3]);
    expect([1, 2, 3].map((n) => electedOf(pool, n).score)).toEqual([0.1, 0.1, 0.2]);
    expect(electedOf({ texts: [text(0, 0.4, null), text(0, 0.5, "x")] }, 2).score).toBe(0.5);
  });

  const run = (score: number, tokens: number) => {
    return { score, correct: score === 1, reward: score, tokens, cpu: 1, divergence: null };
  };
  const entry = { methods: [{ name: "p", fixed: "particle" }], title: "T", known: "k" };
  const study = (ours: number, tokens: number) => ({
    name: "t",
    entry,
    chosen: [{ name: "p" }],
    pilot: [],
    study: Array.from({ length: 12 }, (_, i) => {
      return { id: i, pool, runs: { "p@4": run(ours, tokens) } };
    }),
    held: Array.from({ length: 12 }, (_, i) => {
      const long = { ...pool, texts: Array.from({ length: 9 }, () => text(0, 0.2, "a")) };
      return { id: i, pool: long, runs: { "p@4": run(ours, tokens), "auto@4": run(ours, tokens) } };
    }),
  });

  test("gives the rivals at least as many tokens", () => {
    const rivalOf = (tokens: number) =>
      compare([study(1, tokens)], [4]).tasks[0].sizes[0].guided[0].rivals.best;
    expect(rivalOf(10).name).toBe("best of 1");
    expect(rivalOf(11).name).toBe("best of 2");
    expect(rivalOf(21).tokens).toBe(30);
  });

  test("tells a better method from its rivals, and not one that is as good", () => {
    const holmOf = (score: number) =>
      compare([study(score, 20)], [4]).tasks[0].sizes[0].guided[0].holm;
    expect(holmOf(1)).toBeLessThan(0.002); // twelve won, none lost, both sides: 2 ** -11
    expect(holmOf(0.1)).toBe(1);
  });

  test("scales regret to the range from one sample to the best", () => {
    const { rows } = regrets([study(1, 20)], 4);
    const regretOf = Object.fromEntries(
      rows.map((row: { method: string; regret: number }) => [row.method, row.regret]),
    );
    expect(regretOf).toMatchObject({
      auto: 0,
      particle: 0,
      "one sample": expect.closeTo(1, 12),
      "best of 8": expect.closeTo(1, 12),
    });
  });
});
