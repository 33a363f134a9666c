/** The Beta rule: its arithmetic, and how often it stops with the wrong leader. */
import seedrandom from "seedrandom";
import { describe, expect, test } from "vitest";
import { leadProbability } from "../../src/rewards/settled-vote.js";

/** P(p > 1/2), p ~ Beta(a + 1, b + 1), by the midpoint rule. */
function byIntegral(a: number, b: number): number {
  const cells = 20_000;
  let above = 0;
  let all = 0;
  for (let i = 0; i < cells; i++) {
    const p = (i + 0.5) / cells;
    const density = Math.exp(a * Math.log(p) + b * Math.log(1 - p));
    all += density;
    if (p > 0.5) above += density;
  }
  return above / all;
}

describe("leadProbability", () => {
  test("is the Beta posterior's mass above one half", () => {
    for (const [a, b] of [
      ...[
        [0, 0],
        [1, 0],
        [4, 0],
        [3, 2],
        [10, 4],
        [2, 5],
      ],
      [60, 40],
    ] as [number, number][]) {
      expect(leadProbability(a, b)).toBeCloseTo(byIntegral(a, b), 6);
    }
    expect(leadProbability(4, 0)).toBe(31 / 32);
  });

  test("grows with the lead, and rounds broken votes in the runner-up's favour", () => {
    expect(leadProbability(5, 2)).toBeGreaterThan(leadProbability(4, 2));
    expect(leadProbability(4.9, 1.1)).toBe(leadProbability(4, 2));
    expect(leadProbability(3000, 2000)).toBeCloseTo(1, 12);
    expect(leadProbability(1500, 1500)).toBeCloseTo(0.5, 6);
  });
});

/**
 * Votes drawn for two answers until the rule settles, in rounds of `round` and at most 32. The rule looks
 * after each of them, so that its error exceeds 1 - confidence when the duel is close.
 */
function wrongShare(share: number, confidence: number, round = 4): number {
  const random = seedrandom("duel");
  const runs = 4000;
  let wrong = 0;
  for (let run = 0; run < runs; run++) {
    let [right, other] = [0, 0];
    do {
      for (let i = 0; i < round; i++) random() < share ? right++ : other++;
      const probability = leadProbability(Math.max(right, other), Math.min(right, other));
      if (probability < confidence) continue;
      if (other > right) wrong++;
      break;
    } while (right + other < 32);
  }
  return wrong / runs;
}

// 4000 runs: a true share s is measured within .016 at z = 2; the bounds leave four times that.
test("stops early with the wrong one of two answers in at most 1 - confidence, from 65% on", () => {
  for (const share of [0.65, 0.75, 0.9]) expect(wrongShare(share, 0.95)).toBeLessThan(0.05);
  expect(wrongShare(0.55, 0.95)).toBeLessThan(0.15); // a close duel
});

test("errs in more than 1 - confidence where it is content with less and looks after every draw", () => {
  expect(wrongShare(0.6, 0.8, 1)).toBeGreaterThan(0.2 + 0.016);
});

test("a rule that settles on any lead does not", () => {
  expect(wrongShare(0.65, 0.51)).toBeGreaterThan(0.1);
});
