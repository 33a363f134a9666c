/**
 * What a text's tokens were drawn with, one after another, and what `score` says of them, in one batch:
 * how far apart docs/exactness.md says they are.
 */
import { expect, test } from "vitest";
import { bestOfN } from "../../src/methods/best-of-n.js";
import { QUESTION, useModel } from "../fixtures/models.js";
import { usePreciseModel } from "../fixtures/precise-model.js";

const bundled = useModel("mini-gsm-ref");
const precise = usePreciseModel();

/** The largest difference of a text's log-probability, a token. */
async function largestApart(model: () => ReturnType<typeof bundled>, maxTokens: number) {
  const sampling = { temperature: 0.7 };
  const prompt = { raw: true };
  const { steps } = await bestOfN(model(), QUESTION, {
    ...sampling,
    ...prompt,
    maxTokens,
    candidates: 16,
    reward: () => 0,
  });
  const texts = steps[0]?.candidates ?? [];
  const tokens = texts.map((text) => text.tokens);
  const scores = await model().score(QUESTION, tokens, sampling, prompt);
  const sum = (values: Iterable<number>) => [...values].reduce((a, b) => a + b, 0);
  const apart = texts.map(({ logProbs }, i) => {
    return Math.abs(sum(logProbs) - sum(scores[i]?.logProbs ?? [])) / logProbs.length;
  });
  expect(texts.length).toBe(16);
  return Math.max(...apart);
}

test("decoding and scoring agree to 1e-5 nats a token where weights and cache are of 32 bits", async () => {
  expect(await largestApart(precise, 40)).toBeLessThan(1e-5);
});

test("and to some thousandths a token in the bundled models' half precision", async () => {
  // On one processor 1e-4; other kernels round otherwise. Another text is whole nats apart.
  expect(await largestApart(bundled, 17)).toBeLessThan(0.02);
});
