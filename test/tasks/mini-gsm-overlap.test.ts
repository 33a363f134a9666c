import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

interface Item {
  question: string;
  answer: string;
  level: number;
  template: string;
  held_out: "none" | "numbers" | "wording" | "template";
}

const corpus = path.resolve("models/recipe/corpus.py");
const bundled = path.resolve("models/mini-gsm-test.jsonl");
const TRAINING_ITEMS = 20_000;

let directory: string;
let training: Item[];
let heldOut: Item[];

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "llama-ets-"));
  const file = path.join(directory, "train.jsonl");
  execFileSync("python3", [corpus, "train", file, String(TRAINING_ITEMS)]);
  training = await read(file);
  heldOut = await read(bundled);
});

afterAll(() => rm(directory, { recursive: true }));

describe("the training stream", () => {
  test("has none of the held-out questions, numbers, wordings or templates", () => {
    expect(training).toHaveLength(TRAINING_ITEMS);
    expect(overlap(training, heldOut)).toEqual([]);
  });

  test("does have the wordings of the items that are held out for their numbers alone", () => {
    // Without this the check of wordings below would hold for any two corpora.
    const known = new Set(training.flatMap(wordings));
    const numbersOnly = heldOut.filter((item) => item.held_out === "numbers");
    const strange = numbersOnly.filter((item) => wordings(item).some((w) => !known.has(w)));
    expect(numbersOnly).toHaveLength(800);
    expect(strange.length).toBeLessThan(8);
  });
});

describe("the overlap check", () => {
  const leaked = (change: (item: Item) => Partial<Item>, held = "numbers") => {
    const item = heldOut.find(({ held_out, level }) => held_out === held && level === 1) as Item;
    return overlap([...training, { ...item, ...change(item) }], heldOut);
  };

  test("catches a held-out item", () => {
    expect(leaked(() => ({}))).toContain("question");
  });

  test("catches a held-out item under other names", () => {
    const found = leaked(({ question }) => ({ question: question.replaceAll(NAME, "Zed") }));
    expect(found).toContain("question");
  });

  test("catches held-out numbers in another wording", () => {
    expect(leaked(() => ({ question: "Told in quite another way." }))).toEqual(["numbers"]);
  });

  test("catches a held-out wording with other numbers", () => {
    const found = leaked(
      ({ question }) => ({ question: question.replaceAll(/\d+/g, "77"), answer: "#### 77" }),
      "wording",
    );
    expect(found).toEqual(["wording"]);
  });

  test("catches a held-out template", () => {
    const found = leaked(() => ({ question: "Another story.", answer: "#### 77" }), "template");
    expect(found).toEqual(["template"]);
  });
});

test("the bundled held-out items are the ones that the recipe makes", async () => {
  const file = path.join(directory, "test.jsonl");
  execFileSync("python3", [corpus, "test", file]);
  expect(await readFile(file, "utf8")).toBe(await readFile(bundled, "utf8"));
});

/** What of the held-out items occurs in training: nothing, or the kinds of leak. */
function overlap(training: Item[], heldOut: Item[]): string[] {
  const found = new Set<string>();
  const questions = new Set(training.map(({ question }) => nameless(question)));
  const solutions = new Set(training.map(solution));
  const templates = new Set(training.map(({ template }) => template));
  const known = new Set(training.flatMap(wordings));
  for (const item of heldOut) {
    if (questions.has(nameless(item.question))) found.add("question");
    // Where no sentence is a distractor, template and solution tell all of a question's numbers.
    if (item.level <= 2 && solutions.has(solution(item))) found.add("numbers");
    if (item.held_out === "template" && templates.has(item.template)) found.add("template");
    if (item.held_out === "wording" && wordings(item).every((w) => known.has(w))) {
      found.add("wording");
    }
  }
  return [...found];
}

const NAME =
  /\b(?!He|She|They|It|The|There|Then|Later|After|How|Only|On|In|For|A|Each)[A-Z][a-z]+\b/g;

function nameless(question: string): string {
  return question.replaceAll(NAME, "X");
}

function solution({ level, template, answer }: Item): string {
  return `${level} ${template} ${answer}`;
}

/** The question's sentences without names, numbers and fractions. */
function wordings({ question }: Item): string[] {
  return nameless(question)
    .replaceAll(/\d+(\/\d+)?/g, "N")
    .split(/(?<=[.?]) /);
}

async function read(file: string): Promise<Item[]> {
  const text = await readFile(file, "utf8");
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
}
