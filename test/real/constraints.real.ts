/** Constrained answers of a real model, with its vocabulary of many-letter tokens. */
import { describe, expect, test } from "vitest";
import { compareRuns } from "../../src/evaluate/compare/compare-runs.js";
import { evaluate } from "../../src/evaluate/evaluate.js";
import { isFailed } from "../../src/evaluate/store/run-files.js";
import { particle } from "../../src/methods/particle.js";
import { sample } from "../../src/methods/sample.js";
import { defineTask } from "../../src/tasks/define-task.js";
import { closeTexts } from "../fixtures/closed-texts.js";
import { CONSTRAINTS } from "../fixtures/constraints.js";
import { generator } from "../fixtures/random-constraints.js";
import { temporary, temporaryFile } from "../fixtures/temporary-directory.js";
import { modelOf, sentencePiece } from "../fixtures/vocabularies.js";
import { hasRealModel, useRealModel } from "./real-model.js";

const model = useRealModel();

describe.skipIf(!hasRealModel)("a constrained answer", () => {
  test("has exactly twelve words, or a beginning of such a line", async () => {
    const prompt = "Write one sentence about bread. Use exactly twelve words.";
    const result = await particle(model(), prompt, {
      constraint: { words: 12 },
      candidates: 4,
      blockTokens: 4,
      maxTokens: 60,
    });
    const words = result.text.split(" ");
    if (result.stopReason === "end") expect(words).toHaveLength(12);
    else expect(words.length).toBeLessThanOrEqual(12);
    for (const word of words.slice(0, -1)) expect(word).toMatch(/[\p{L}\p{N}]/u);
    expect(result.constraintLogMass).toBeLessThan(0);
  });

  test("is JSON by its schema, or a beginning of it", async () => {
    const schema = {
      type: "object",
      properties: { name: { type: "string", maxLength: 30 }, age: { type: "integer", minimum: 0 } },
      required: ["name", "age"],
    };
    const { text, stopReason } = await sample(model(), "Describe a cat as JSON.", {
      constraint: { json: schema },
      maxTokens: 80,
    });
    expect(text.startsWith("{")).toBe(true);
    if (stopReason !== "end") return;
    const { name, age } = JSON.parse(text);
    expect(typeof name).toBe("string");
    expect(age).toBeGreaterThanOrEqual(0);
  });

  test("is scored as it was drawn: what is allowed has a mass, what isn't has none", async () => {
    const constraint = { choices: ["yes", "no"] };
    const prompt = "Is the sky blue? Answer yes or no.";
    const { text, tokens, constraintLogMass } = await sample(model(), prompt, { constraint });
    expect(constraint.choices).toContain(text);
    const other = [...model().tokenize("Perhaps")];
    const [drawn, refused] = await model().score(prompt, [tokens, other], {
      temperature: 0.7,
      constraint,
    });
    const mass = (drawn?.logMasses ?? new Float64Array()).reduce((a, b) => a + b, 0);
    // A drawn mass differs from the exact one by what is unlikely, .4% a token.
    expect(Math.abs(mass - (constraintLogMass as number))).toBeLessThan(0.01 * tokens.length);
    expect(refused?.logMasses?.[0]).toBe(Number.NEGATIVE_INFINITY);
  });

  test("that is cut off is closed by its own tokens, and by SentencePiece's", async () => {
    const random = generator(7);
    const some = CONSTRAINTS.filter((_, i) => i % 20 === 0);
    await using small = await modelOf(sentencePiece(["name", "city", "true", "false", "null"]));
    for (const vocabulary of [model(), small]) {
      expect(await closeTexts(vocabulary, some, random)).toBeGreaterThan(some.length);
    }
  });

  test("of an evaluation votes by a part of it, and curves count the same votes", async () => {
    const schema = {
      type: "object",
      properties: { weather: { enum: ["sun", "rain", "snow"] }, degrees: { type: "integer" } },
      required: ["weather", "degrees"],
    };
    const weatherOf = (text: string): string => JSON.parse(text).weather;
    const task = defineTask({
      name: "weather",
      parse: (row) => ({ id: row.text("id"), prompt: row.text("id"), gold: "rain" }),
      dataFile: temporaryFile(
        "places.jsonl",
        ["London", "Cairo"].map((id) => JSON.stringify({ id: `${id} today, as JSON.` })).join("\n"),
      ),
      extract: (text) => weatherOf(text),
    });
    const out = temporary("weather");
    const options = { candidates: 6, voteFields: ["weather"], temperature: 1.5 };
    await evaluate(model(), task, {
      methods: [{ name: "vote", method: "majority", options }],
      out,
      keep: "texts",
      options: { constraint: { json: schema }, maxTokens: 40 },
    });
    const { comparison, items } = await compareRuns([out]);
    for (const [sample] of items.flatMap(({ samples }) => samples)) {
      if (sample === undefined || isFailed(sample)) throw new Error("a sample failed");
      const texts = sample.texts ?? [];
      expect(texts).toHaveLength(6);
      const votes = new Map<string, number>();
      for (const { text, answer } of texts) {
        const weather = weatherOf(text);
        expect(answer).toBe(JSON.stringify({ weather }));
        votes.set(weather, (votes.get(weather) ?? 0) + 1);
      }
      // Whole values differ by their degrees: their plurality is another.
      expect(votes.get(weatherOf(sample.text))).toBe(Math.max(...votes.values()));
      expect(sample.correct).toBe(weatherOf(sample.text) === "rain");
    }
    const curve = comparison.curves?.[0];
    expect(curve?.points.at(-1)).toMatchObject({ k: 6 });
    expect(curve?.points.at(-1)?.majority.accuracy).toBe(comparison.methods[0]?.accuracy);
  });
});
