/**
 * Text, tokens, log-probabilities and stop strings agree between the methods, for vocabularies of
 * three kinds.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { LocalModel } from "../../src/engine/local/model.js";
import { drawBy, expectAgreement, marginsOf, WAYS } from "../fixtures/agreeing-texts.js";
import { byteLevel, modelOf, sentencePiece, wordPiece } from "../fixtures/vocabularies.js";

const WORDS = ["hello", "world", "where", "we"];
const vocabularies = {
  SentencePiece: () => sentencePiece(WORDS.map((word) => `▁${word}`)),
  WordPiece: () => wordPiece(WORDS),
  "byte-level": byteLevel,
};
const PROMPT = "hello world";

describe.each(Object.entries(vocabularies))("with a %s vocabulary", (_, tokenizer) => {
  let model: LocalModel;
  beforeAll(async () => {
    model = await modelOf(tokenizer());
  });
  afterAll(() => model.dispose());

  test.each(Object.keys(WAYS))(
    "texts are what their tokens are, by scoring too: %s",
    async (way) => {
      for (const [seed, stop] of [["e"], [" w", "o."], []].entries()) {
        const sampling = seed === 1 ? { temperature: 0.7, topK: 20 } : { temperature: 1 };
        const drawing = { prompt: PROMPT, stop, seed, maxTokens: 16, sampling };
        const result = await drawBy(model, way, drawing);
        // In 32 bits; keys and values have 16.
        expect(await expectAgreement(model, result, drawing)).toBeLessThan(0.01);
      }
    },
  );

  test("where a draw has one outcome, all methods write the same", async () => {
    const one = { prompt: PROMPT, maxTokens: 15, sampling: { topK: 1, temperature: 1 } };
    const whole = await drawBy(model, "sample", one);
    // Far from every other outcome, so that no rounding turns it.
    for (const [i, { margin }] of (await marginsOf(model, PROMPT, whole.tokens)).entries()) {
      expect(margin, `token ${i}`).toBeGreaterThan(0.01);
    }
    const characters = [...whole.text];
    const parts = [
      [],
      ...[2, 7].map((at) => [characters.slice(at, at + 2).join("")]),
      [characters.slice(3, 9).join(""), "never"],
    ].filter((strings) => strings.every((string) => string !== ""));
    expect(parts.length).toBeGreaterThan(2);
    for (const stop of parts) {
      const expected = await drawBy(model, "sample", { ...one, stop });
      if (stop.length > 0) expect(expected.stopReason).toBe("stop");
      for (const way of Object.keys(WAYS)) {
        const { text, tokens, stopReason } = await drawBy(model, way, { ...one, stop });
        expect({ way, text, tokens, stopReason }).toEqual({
          way,
          text: expected.text,
          tokens: expected.tokens,
          stopReason: expected.stopReason,
        });
      }
    }
  });
});
