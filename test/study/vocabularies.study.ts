/** Texts in and out of every vocabulary of llama.cpp's collection. */
import { expect, test } from "vitest";
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
  },
  1_800_000,
);
