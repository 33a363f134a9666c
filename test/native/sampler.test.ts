/** The native sampler against its definition, written plainly in double precision. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { NativeSampling } from "../../src/engine/native.js";
import { addon } from "../../src/engine/native.js";
import { PLAIN } from "../fixtures/sampling.js";
import { chiSquarePValue } from "../fixtures/statistics.js";

/** The policy's log-probabilities: allowed, temperature, top-k, top-p, min-p, renormalise. */
function referencePolicy(logits: Float32Array, sampling: NativeSampling): number[] {
  const { temperature, topK, topP, minP, allowedTokens, vocabLimit } = sampling;
  const allowed =
    allowedTokens.length > 0 ? [...allowedTokens] : [...logits.keys()].slice(0, vocabLimit);
  const logit = (token: number) => logits[token] as number;
  let kept = allowed.sort((a, b) => logit(b) - logit(a) || a - b);
  if (temperature === 0) kept = kept.slice(0, 1);
  const scale = temperature === 0 ? 1 : temperature;
  if (topK > 0) kept = kept.slice(0, topK);
  const top = logit(kept[0] as number);
  const weight = (token: number) => Math.exp((logit(token) - top) / scale);
  const total = (tokens: number[]) => tokens.reduce((sum, token) => sum + weight(token), 0);
  if (topP < 1) {
    const goal = topP * total(kept);
    let sum = 0;
    const enough = kept.findIndex((token) => {
      sum += weight(token);
      return sum >= goal;
    });
    kept = enough < 0 ? kept : kept.slice(0, enough + 1);
  }
  kept = kept.filter((token) => weight(token) >= minP);
  const logTotal = Math.log(total(kept));
  const logProbs = Array.from(logits, () => Number.NEGATIVE_INFINITY);
  for (const token of kept) logProbs[token] = (logit(token) - top) / scale - logTotal;
  return logProbs;
}

/** Logits without near-ties at a cut, so that rounding can't move a token over it. */
const logitsOf = (size: number) =>
  fc
    .tuple(fc.integer({ min: 1, max: 2 ** 30 }), fc.double({ min: 0.1, max: 8, noNaN: true }))
    .map(([seed, spread]) => {
      let state = seed;
      return Float32Array.from({ length: size }, () => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return spread * 2 * (state / 2 ** 32 - 0.5) * 4;
      });
    });

const samplings = fc.record({
  temperature: fc.constantFrom(0, 0.25, 0.7, 1, 1.5),
  topK: fc.constantFrom(0, 1, 5, 40),
  topP: fc.constantFrom(0.3, 0.9, 0.95, 1),
  minP: fc.constantFrom(0, 0.05, 0.5),
  allowedTokens: fc.constantFrom(new Int32Array(), Int32Array.of(3, 7, 8, 50, 90)),
  vocabLimit: fc.constantFrom(95, 2 ** 31 - 1),
});

describe("the sampler", () => {
  test.each([100, 960, 5000])("scores every token of %i as the definition does", (size) => {
    fc.assert(
      fc.property(logitsOf(size), samplings, (logits, sampling) => {
        const expected = referencePolicy(logits, sampling);
        for (const token of [0, 3, 8, 50, size - 1]) {
          const { logProb } = addon().scoreToken(logits, sampling, token);
          const reference = expected[token] as number;
          if (reference === Number.NEGATIVE_INFINITY) expect(logProb).toBe(reference);
          else expect(logProb).toBeCloseTo(reference, 5);
        }
      }),
      { numRuns: 150, seed: 1 },
    );
  });

  test("reports the model's own log-probability beside the sampled one", () => {
    fc.assert(
      fc.property(logitsOf(2000), samplings, (logits, sampling) => {
        const raw = referencePolicy(logits, { ...PLAIN, vocabLimit: sampling.vocabLimit });
        const { token, rawLogProb } = addon().drawToken(logits, sampling, 0.37);
        expect(rawLogProb).toBeCloseTo(raw[token] as number, 5);
      }),
      { numRuns: 100, seed: 2 },
    );
  });

  test("gives a drawn token the log-probability it scores", () => {
    fc.assert(
      fc.property(
        logitsOf(960),
        samplings,
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (logits, s, u) => {
          const drawn = addon().drawToken(logits, s, u);
          expect(drawn.logProb).toBe(addon().scoreToken(logits, s, drawn.token).logProb);
          expect(drawn.logProb).toBeGreaterThan(Number.NEGATIVE_INFINITY);
        },
      ),
      { numRuns: 300, seed: 3 },
    );
  });

  // False alarms: 2 settings at p < 1e-4 each, with these fixed uniforms.
  test.each([
    ["the whole distribution", { temperature: 1.3 }, { temperature: 0.9 }],
    ["a truncated one", { temperature: 1.3, topK: 20, topP: 0.9, minP: 0.02 }, { topK: 15 }],
  ])("draws with the frequencies of %s", (_, options, change) => {
    const sampling = { ...PLAIN, ...options };
    const logits = Float32Array.from(
      { length: 1500 },
      (_, i) => 3 * Math.sin(i * 12.9898) + (i % 7),
    );
    const probabilities = referencePolicy(logits, sampling).map(Math.exp);
    const counts = new Array<number>(logits.length).fill(0);
    const draws = 20_000;
    for (let i = 0; i < draws; i++) {
      const uniform = (i + 0.5) / draws; // a stratified sample: frequencies must be closer still
      const { token } = addon().drawToken(logits, sampling, uniform);
      counts[token] = (counts[token] ?? 0) + 1;
    }
    expect(chiSquarePValue(counts, probabilities)).toBeGreaterThan(1e-4);
    // The twin: another policy's frequencies are told apart.
    const wrong = referencePolicy(logits, { ...sampling, ...change }).map(Math.exp);
    expect(chiSquarePValue(counts, wrong)).toBeLessThan(1e-4);
  });

  // False alarms: 1e-4, with these fixed uniforms.
  test("cuts a flat distribution of many tokens where the definition does", () => {
    const logits = Float32Array.from({ length: 12_000 }, (_, i) => 3 * Math.sin(i * 12.9898));
    const sampling = { ...PLAIN, temperature: 1.2, topP: 0.9 };
    const expected = referencePolicy(logits, sampling);
    const ranked = [...logits.keys()].sort((a, b) => (logits[b] as number) - (logits[a] as number));
    const cut = expected.filter((logProb) => logProb > Number.NEGATIVE_INFINITY).length;
    expect(cut).toBeGreaterThan(4096);
    expect(cut).toBeLessThan(logits.length);
    for (const token of [...ranked.slice(cut - 20, cut + 20), ...ranked.slice(0, 20)]) {
      const { logProb } = addon().scoreToken(logits, sampling, token);
      if (expected[token] === Number.NEGATIVE_INFINITY) expect(logProb).toBe(expected[token]);
      else expect(logProb).toBeCloseTo(expected[token] as number, 5);
    }
    const groups = 40;
    const probabilities = new Array<number>(groups).fill(0);
    for (const [token, logProb] of expected.entries()) {
      probabilities[token % groups] = (probabilities[token % groups] ?? 0) + Math.exp(logProb);
    }
    const counts = new Array<number>(groups).fill(0);
    for (let i = 0; i < 5000; i++) {
      const { token } = addon().drawToken(logits, sampling, (i + 0.5) / 5000);
      counts[token % groups] = (counts[token % groups] ?? 0) + 1;
    }
    expect(chiSquarePValue(counts, probabilities)).toBeGreaterThan(1e-4);
  });

  test("breaks ties of greedy choice and of top-k by the lower id", () => {
    const logits = Float32Array.of(1, 5, 5, 2);
    expect(addon().drawToken(logits, { ...PLAIN, temperature: 0 }, 0.9).token).toBe(1);
    expect(addon().drawToken(logits, { ...PLAIN, topK: 1 }, 0.9).token).toBe(1);
  });

  test.each([
    ["NaN", Float32Array.of(0, Number.NaN, 1)],
    ["infinity", Float32Array.of(0, Number.POSITIVE_INFINITY, 1)],
    ["nothing but -infinity", new Float32Array(4).fill(Number.NEGATIVE_INFINITY)],
  ])("refuses a row that holds %s", (_, logits) => {
    for (const temperature of [0, 0.7]) {
      expect(() => addon().drawToken(logits, { ...PLAIN, temperature }, 0.5)).toThrowError(
        expect.objectContaining({ code: "ERR_INVALID_LOGITS" }),
      );
    }
  });

  test("gives a token of -infinity no probability", () => {
    const logits = Float32Array.of(0, Number.NEGATIVE_INFINITY, 0);
    expect(addon().scoreToken(logits, PLAIN, 1).logProb).toBe(Number.NEGATIVE_INFINITY);
    expect(addon().scoreToken(logits, PLAIN, 0).logProb).toBeCloseTo(Math.log(0.5), 6);
  });
});
