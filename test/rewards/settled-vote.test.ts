/** The rules that end a vote: their arithmetic, and how often they stop with the wrong leader. */
import seedrandom from "seedrandom";
import { describe, expect, test } from "vitest";
import { drawIndex } from "../../src/energy/log-domain.js";
import {
  isLeaderCertain,
  leadProbability,
  logLeadEvidence,
} from "../../src/rewards/settled-vote.js";

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

  test("is what it is far behind, where the rest of 1 would be lost", () => {
    for (const behind of [5, 60, 1000]) {
      expect(leadProbability(0, behind) / 2 ** -(behind + 1)).toBeCloseTo(1, 9);
    }
    expect(leadProbability(0, 5000)).toBe(0);
    expect(leadProbability(5000, 0)).toBe(1);
    // ∫ 2 (1 - p)^n dp over 1/2 … 1, over (1/2)^n.
    for (const n of [0, 60, 5000]) expect(logLeadEvidence(0, n)).toBeCloseTo(-Math.log(n + 1), 6);
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

test("the evidence for a lead is the likelihood ratio of a uniform lead", () => {
  for (const [a, b] of [
    ...[
      [0, 0],
      [7, 0],
      [3, 2],
      [2, 5],
    ],
    [60, 40],
  ] as [number, number][]) {
    const cells = 20_000;
    let mean = 0;
    for (let i = 0; i < cells; i++) {
      const p = 0.5 + (i + 0.5) / cells / 2;
      mean += Math.exp((a + b) * Math.LN2 + a * Math.log(p) + b * Math.log1p(-p)) / cells;
    }
    expect(logLeadEvidence(a, b)).toBeCloseTo(Math.log(mean), 5);
  }
});

/** How often a rule that is looked at after each of 40 draws stops with another answer than the first. */
function wrongStops(
  shares: readonly number[],
  stops: (answers: readonly string[]) => boolean,
  runs = 10_000,
): number {
  const random = seedrandom("looks");
  let wrong = 0;
  for (let run = 0; run < runs; run++) {
    const answers: string[] = [];
    const votes = shares.map(() => 0);
    while (answers.length < 40) {
      const drawn = drawIndex(shares, random());
      answers.push(String(drawn));
      votes[drawn] = (votes[drawn] as number) + 1;
      if (!stops(answers)) continue;
      if (votes.indexOf(Math.max(...votes)) > 0) wrong++;
      break;
    }
  }
  return wrong / runs;
}

/** The two first answers' votes, as the Beta rule takes them. */
function duelOf(answers: readonly string[]): [number, number] {
  const votes = new Map<string, number>();
  for (const answer of answers) votes.set(answer, (votes.get(answer) ?? 0) + 1);
  const [first = 0, second = 0] = [...votes.values()].sort((a, b) => b - a);
  return [first, second];
}

// 10,000 runs: a rule of error .1 is above .1143 (z = 4.75) with probability 1e-6.
test.each([
  ["two equal answers", [0.5, 0.5]],
  ["many answers", [0.2, 0.19, 0.18, 0.17, 0.13, 0.13]],
])(
  "looked at after each draw, the sequential rule is wrong as seldom as it says: %s",
  (_, shares) => {
    expect(wrongStops(shares, (answers) => isLeaderCertain(answers, 0.9))).toBeLessThan(0.1143);
  },
);

test("looked at after each draw, the Beta rule is wrong more often than it says", () => {
  const beta = (answers: readonly string[]) => leadProbability(...duelOf(answers)) >= 0.9;
  expect(wrongStops([0.5, 0.5], beta, 2000)).toBeGreaterThan(0.2);
});

test("the sequential rule stops: after nine texts that agree, and in time where one answer leads", () => {
  const equal = (count: number) => Array.from({ length: count }, () => "7");
  expect(isLeaderCertain(equal(7), 0.95)).toBe(false);
  expect(isLeaderCertain(equal(9), 0.95)).toBe(true);
  expect(isLeaderCertain([], 0.5)).toBe(false);
  expect(isLeaderCertain([null, null, null], 0.5)).toBe(false);
  const led = Array.from({ length: 40 }, (_, i) => (i % 4 === 3 ? "8" : "7"));
  expect(isLeaderCertain(led, 0.95)).toBe(true);
});
