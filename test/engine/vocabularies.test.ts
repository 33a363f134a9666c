/** Texts in and out of vocabularies of every kind; the study goes over all of llama.cpp's collection. */
import { afterAll, beforeAll, describe, test } from "vitest";
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
