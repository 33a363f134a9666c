/** Texts in and out of vocabularies of every kind; the study goes over all of llama.cpp's collection. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MirroredVocabulary } from "../../src/engine/isolated/mirrored-vocabulary.js";
import type { LocalModel } from "../../src/engine/local/model.js";
import { expectDrawnTexts, expectReadTexts } from "../fixtures/text-properties.js";
import { modelOf, sentencePiece, vocabularyOf } from "../fixtures/vocabularies.js";

describe.each(["a small one", "llama-spm", "phi-3", "deepseek-coder", "bert-bge"])(
  "with the vocabulary %s",
  (name) => {
    let model: LocalModel;
    beforeAll(async () => {
      const isOwn = name === "a small one";
      model = await modelOf(isOwn ? sentencePiece(["▁hello", "▁world"]) : vocabularyOf(name));
    });
    afterAll(() => model.dispose());

    test("no byte of a text is lost, and it makes no special tokens", () => {
      expectReadTexts(model, { numRuns: 375, seed: 1 });
    });

    test("prompt and text read as one text, without stop strings", async () => {
      await expectDrawnTexts(model, { numRuns: name === "a small one" ? 120 : 15, seed: 1 });
    });
  },
);

test("a mirrored one asks once for what a text has of unknown tokens, and never for known ones", () => {
  const asked: number[][] = [];
  const entriesOf = (tokens: Int32Array) => {
    const pieces = Array.from(tokens, (token) => Buffer.from(`<${token}>`));
    const lengths = Int32Array.from(pieces, ({ length }) => length);
    const packed = { bytes: new Uint8Array(Buffer.concat(pieces)), lengths };
    const texts = Array.from(tokens, String);
    const ends = Array.from(tokens, (token) => token === 2);
    return { tokens, texts, ends, plain: packed, special: packed };
  };
  const vocabulary = new MirroredVocabulary(1000, (tokens) => {
    asked.push([...tokens]);
    return entriesOf(tokens);
  });
  vocabulary.learn(entriesOf(Int32Array.of(7, 9)));
  const textOf = (...tokens: number[]) =>
    vocabulary.bytes(Int32Array.from(tokens), "plain").toString();
  expect(textOf(9, 7, 9)).toBe("<9><7><9>");
  expect(asked).toEqual([]);
  expect(textOf(8, 7, 900, 8)).toBe("<8><7><900><8>");
  expect(asked).toEqual([[8, 900]]);
  // Who asks for one alone may walk through all.
  for (let token = 0; token < 1000; token++) vocabulary.entry(token);
  expect(asked.slice(1).map(({ length }) => length)).toEqual([512, 488]);
  expect([vocabulary.entry(2).isEnd, vocabulary.entry(3).isEnd]).toEqual([true, false]);
  for (const token of [-1, 1000, 1.5, Number.NaN]) {
    expect(() => vocabulary.entry(token)).toThrow("from 0 to 999");
    expect(() => vocabulary.bytes(new Float64Array([5, token, 901]) as never, "plain")).toThrow(
      "from 0 to 999",
    );
  }
  expect(asked).toHaveLength(3);
});
