/** The native sampler against its definition, written plainly in double precision. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { addon } from "../../src/engine/local/native.js";
import { logitsOf, PLAIN, referencePolicy, samplings } from "../fixtures/sampling.js";
import { chiSquarePValue } from "../fixtures/statistics.js";

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

  test("draws from a power of the policy, over what the policy leaves", () => {
    fc.assert(
      fc.property(
        logitsOf(960),
        samplings,
        fc.constantFrom(0.5, 1, 2, 4, 20),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (logits, sampling, power, uniform) => {
          const logs = referencePolicy(logits, sampling);
          const sharpened = logs.map((log) => Math.exp(power * log));
          const logSum = Math.log(sharpened.reduce((a, b) => a + b, 0));
          const policy = { ...sampling, power };
          const { token, logProb, drawnLogProb } = addon().drawToken(logits, policy, uniform);
          expect(logProb).toBeCloseTo(logs[token] as number, 5);
          expect(drawnLogProb).toBeCloseTo(power * (logs[token] as number) - logSum, 4);
          if (power === 1) expect(drawnLogProb).toBe(logProb);
        },
      ),
      { numRuns: 300, seed: 5 },
    );
  });

  // False alarms: 2 settings at p < 1e-4 each, with these fixed uniforms.
  test.each([
    ["the whole distribution", { temperature: 1.3 }],
    ["a truncated one", { temperature: 1.3, topK: 700, topP: 0.95 }],
  ])("draws with the frequencies of a power of %s", (_, options) => {
    const sampling = { ...PLAIN, ...options };
    const logits = Float32Array.from({ length: 1500 }, (_, i) => 2 * Math.sin(i * 12.9898));
    const probabilities = (power: number) => {
      const shares = referencePolicy(logits, sampling).map((log) => Math.exp(power * log));
      const total = shares.reduce((a, b) => a + b, 0);
      return shares.map((share) => share / total);
    };
    const counts = new Array<number>(logits.length).fill(0);
    const draws = 20_000; // in most cells enough of them for the test
    for (let i = 0; i < draws; i++) {
      const uniform = (i + 0.5) / draws;
      const { token } = addon().drawToken(logits, { ...sampling, power: 2 }, uniform);
      counts[token] = (counts[token] ?? 0) + 1;
    }
    expect(chiSquarePValue(counts, probabilities(2))).toBeGreaterThan(1e-4);
    expect(chiSquarePValue(counts, probabilities(1))).toBeLessThan(1e-4);
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
