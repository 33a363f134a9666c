/** Entropy and self-certainty of tokens, against their definitions in double precision. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { addon } from "../../src/engine/local/native.js";
import type { NativeSampling } from "../../src/engine/local/native-model.js";
import type { Sampling } from "../../src/engine/sampling.js";
import type { TokenMetric } from "../../src/engine/sequences.js";
import { QUESTION } from "../fixtures/models.js";
import { usePreciseModel } from "../fixtures/precise-model.js";
import { logitsOf, PLAIN, referencePolicy, samplings } from "../fixtures/sampling.js";

const BOTH: TokenMetric[] = ["entropies", "selfCertainties"];

/** -Σ p log p, over what the policy can draw. */
function entropyOf(logits: Float32Array, sampling: NativeSampling): number {
  const logProbs = referencePolicy(logits, sampling).filter(Number.isFinite);
  return -logProbs.reduce((sum, logProb) => sum + Math.exp(logProb) * logProb, 0);
}

/** -1/V Σ log (V · p), p the softmax of the first `vocabLimit` logits. */
function selfCertaintyOf(logits: Float32Array, { vocabLimit }: NativeSampling): number {
  const known = logits.slice(0, vocabLimit);
  const logProbs = referencePolicy(known, PLAIN);
  return -logProbs.reduce((sum, p) => sum + p + Math.log(known.length), 0) / known.length;
}

describe("a row's metrics", () => {
  test.each([100, 960, 5000])("are their definitions', of %i tokens", (size) => {
    fc.assert(
      fc.property(logitsOf(size), samplings, (logits, sampling) => {
        const drawn = addon().drawToken(logits, sampling, 0.37, BOTH);
        const scored = addon().scoreToken(logits, sampling, size - 1, BOTH);
        expect(drawn.entropy).toBeCloseTo(entropyOf(logits, sampling), 4);
        expect(drawn.selfCertainty).toBeCloseTo(selfCertaintyOf(logits, sampling), 4);
        const { entropy, selfCertainty } = drawn;
        expect(scored).toMatchObject({ entropy, selfCertainty });
      }),
      { numRuns: 60, seed: 1 },
    );
  });

  test("tell certain rows from uncertain ones", () => {
    const flat = new Float32Array(1000);
    const sharp = Float32Array.from({ length: 1000 }, (_, i) => (i === 3 ? 20 : 0));
    const [atFlat, atSharp] = [flat, sharp].map((row) => addon().scoreToken(row, PLAIN, 3, BOTH));
    expect(atFlat?.entropy).toBeCloseTo(Math.log(1000), 5);
    expect(atFlat?.selfCertainty).toBeCloseTo(0, 5);
    expect(atSharp?.entropy).toBeCloseTo(0, 4);
    expect(atSharp?.selfCertainty).toBeGreaterThan(10);
  });

  test("are finite where tokens have no probability", () => {
    const logits = Float32Array.of(1, Number.NEGATIVE_INFINITY, 1, 0);
    for (const temperature of [0.7, 1]) {
      const sampling = { ...PLAIN, temperature };
      const { entropy, selfCertainty } = addon().scoreToken(logits, sampling, 0, BOTH);
      expect(entropy).toBeCloseTo(entropyOf(logits, sampling), 5);
      expect(selfCertainty).toBeGreaterThan(20);
      expect(selfCertainty).toBeLessThan(30);
    }
  });

  test("are left out unless asked for", () => {
    const logits = Float32Array.of(1, 2);
    expect(Object.keys(addon().drawToken(logits, PLAIN, 0.5))).toHaveLength(4);
    expect(addon().drawToken(logits, PLAIN, 0.5, ["entropies"])).not.toHaveProperty(
      "selfCertainty",
    );
  });

  test.each([["entropy"], [7], "entropies", ["entropies", "entropies", "entropies"]])(
    "are refused by another name: %j",
    (metrics) => {
      const ask = () =>
        addon().drawToken(Float32Array.of(1, 2), PLAIN, 0.5, metrics as unknown as TokenMetric[]);
      expect(ask).toThrowError(expect.objectContaining({ code: "ERR_INVALID_ARGUMENT" }));
    },
  );
});

describe("texts carry the metrics of each of their tokens", () => {
  const model = usePreciseModel();
  const policies: [string, Partial<Sampling>][] = [
    ["a tempered policy", { temperature: 3 }],
    ["a truncated one", { temperature: 4, topK: 3, topP: 0.95 }],
  ];

  test.each(policies)("drawn by %s", async (_, changes) => {
    const sampling = { ...PLAIN, allowedTokens: [], ...changes };
    const context = await model().lease({ cells: 2048, sequences: 16, flashAttention: false });
    const parent = await context.create();
    await parent.prefill((await model().encodePrompt(QUESTION)).tokens);
    const draws = Array.from({ length: 8 }, (_, i) => ({
      parent,
      stream: [0, i, 0] as [number, number, number],
      position: 0,
      maxTokens: 24,
      keep: false,
      text: new Int32Array(),
    }));
    const request = {
      draws,
      sampling,
      metrics: BOTH,
      key: [1, 2] as [number, number],
      stopStrings: [],
      stopTokens: new Int32Array(),
      answerEnd: null,
      maxTotalTokens: 1e6,
      timeLimitMs: null,
    };
    const shared = await context.generate({ ...request, sharePrefixes: true });
    const apart = await context.generate({ ...request, sharePrefixes: false });
    for (const [i, { tokens, entropies = [], selfCertainties = [] }] of shared.entries()) {
      expect(tokens).toEqual(apart[i]?.tokens);
      expect([entropies.length, selfCertainties.length]).toEqual([tokens.length, tokens.length]);
      for (const at of tokens.keys()) {
        expect(entropies[at]).toBeCloseTo(apart[i]?.entropies?.[at] as number, 2);
        expect(selfCertainties[at]).toBeCloseTo(apart[i]?.selfCertainties?.[at] as number, 1);
      }
    }
    const scores = await context.score(
      shared.map(({ tokens }) => ({ parent, tokens })),
      sampling,
      BOTH,
    );
    const native = { ...sampling, allowedTokens: new Int32Array() };
    for (const [i, { tokens }] of shared.slice(0, 2).entries()) {
      await using text = await parent.fork();
      for (const [at, token] of tokens.entries()) {
        const logits = await text.logits();
        for (const { entropies, selfCertainties } of [shared[i], scores[i]].filter((x) => !!x)) {
          expect(entropies?.[at]).toBeCloseTo(entropyOf(logits, native), 2);
          expect(selfCertainties?.[at]).toBeCloseTo(selfCertaintyOf(logits, native), 1);
        }
        await text.prefill(Int32Array.of(token));
      }
    }
    await model().release(context);
  });
});
