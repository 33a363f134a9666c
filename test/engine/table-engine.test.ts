/** The table engine draws from the policies and with the random numbers of the native sampler. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { addon } from "../../src/engine/local/native.js";
import { toNativeSampling } from "../../src/engine/local/native-model.js";
import { resolveSampling, type SamplingOptions } from "../../src/engine/sampling.js";
import { distributionOf } from "../fixtures/table-engine/distribution.js";
import { philox } from "../fixtures/table-engine/philox.js";

const SIZE = 24;
const words = fc.array(fc.integer({ min: 0, max: 2 ** 32 - 1 }), { minLength: 6, maxLength: 6 });
const row = fc.array(fc.integer({ min: -80, max: 80 }), { minLength: SIZE, maxLength: SIZE });

/** Each option given or not, away from edges where single precision decides. */
const options: fc.Arbitrary<SamplingOptions> = fc.record(
  {
    temperature: fc.constantFrom(0, 0.5, 1, 2.5),
    topK: fc.integer({ min: 0, max: SIZE + 2 }),
    topP: fc.constantFrom(0.3001, 0.7003, 0.9507, 1),
    minP: fc.constantFrom(0, 0.0503, 0.2011),
    allowedTokens: fc.uniqueArray(fc.integer({ min: 0, max: SIZE - 1 }), { minLength: 1 }),
  },
  { requiredKeys: [] },
);

describe("the table engine", () => {
  test("has the random numbers of the addon", () => {
    fc.assert(
      fc.property(words, ([a = 0, b = 0, c = 0, d = 0, ...key]) => {
        const [k = 0, l = 0] = key;
        expect(philox([a, b, c, d], [k, l])).toEqual([...addon().philox([a, b, c, d], [k, l])]);
      }),
      { seed: 1 },
    );
  });

  test("gives every token the probabilities that the addon's sampler gives it", () => {
    fc.assert(
      fc.property(row, options, (tenths, given) => {
        // Distinct, so that no tie hangs on rounding.
        const logits = tenths.map((x, i) => Math.fround(x / 10 + i / 1000));
        const sampling = resolveSampling(given, SIZE);
        const own = distributionOf(logits, sampling);
        for (const token of logits.keys()) {
          const theirs = addon().scoreToken(
            Float32Array.from(logits),
            toNativeSampling(sampling),
            token,
            ["entropies", "selfCertainties"],
          );
          if (theirs.logProb === Number.NEGATIVE_INFINITY) {
            expect(own.logProb(token)).toBe(Number.NEGATIVE_INFINITY);
          } else {
            expect(own.logProb(token)).toBeCloseTo(theirs.logProb, 4);
          }
          expect(own.rawLogProb(token)).toBeCloseTo(theirs.rawLogProb, 4);
          expect(own.entropy).toBeCloseTo(theirs.entropy as number, 4);
          expect(own.selfCertainty).toBeCloseTo(theirs.selfCertainty as number, 4);
        }
      }),
      { seed: 2, numRuns: 300 },
    );
  });
});
