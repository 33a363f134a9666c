/** Texts in and out of every vocabulary of llama.cpp's collection. */
import { expect, test } from "vitest";
import { closeTexts } from "../fixtures/closed-texts.js";
import { CONSTRAINTS } from "../fixtures/constraints.js";
import { generator } from "../fixtures/random-constraints.js";
import { expectDrawnTexts, expectReadTexts } from "../fixtures/text-properties.js";
import { collection, modelOf, vocabularyOf } from "../fixtures/vocabularies.js";

test("the collection is there", () => {
  expect(collection().length).toBeGreaterThan(15);
});

// 17 seconds of one core with a vocabulary of 128 thousand; more with Gemma 4's 262 thousand.
test.each(collection())(
  "%s",
  async (name) => {
    await using model = await modelOf(vocabularyOf(name));
    expectReadTexts(model, { numRuns: 2500, seed: 2 });
    await expectDrawnTexts(model, { numRuns: 150, seed: 2 });
    const some = CONSTRAINTS.filter((_, i) => i % 5 === 0);
    expect(await closeTexts(model, some, generator(2))).toBeGreaterThan(some.length);
  },
  1_800_000,
);
