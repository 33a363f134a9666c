import seedrandom from "seedrandom";
import { expect, test } from "vitest";

const { median, signFlipTest, studentInterval, wilson } = await import(
  new URL("../../bench/lib/statistics.mjs", import.meta.url).href
);

test("the median is the middle, or the mean of the two in the middle", () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 3, 2])).toBe(2.5);
});

test("Wilson's interval is the published one, and stays within [0, 1]", () => {
  // Newcombe 1998, table I: 81 of 263.
  expect(wilson(81, 263)[0]).toBeCloseTo(0.2553, 4);
  expect(wilson(81, 263)[1]).toBeCloseTo(0.3662, 4);
  expect(wilson(0, 20)[0]).toBeCloseTo(0, 12);
  expect(wilson(20, 20)[1]).toBeCloseTo(1, 12);
});

test("the sign-flip test is the sign test where all differences are as large, and else goes by their sizes", () => {
  const alike = [...Array(9).fill(1), ...Array(2).fill(-1), ...Array(5).fill(0)];
  // 2 P(at most 2 of 11) = 2 (1 + 11 + 55) / 2048; five standard errors of 20,000 flips are .009.
  expect(Math.abs(signFlipTest(alike) - 134 / 2048)).toBeLessThan(0.009);
  const sizes = [0.9, 0.8, 0.7, 0.9, 0.8, 0.9, 0.8, -0.05, -0.05, -0.05];
  expect(signFlipTest(sizes)).toBeLessThan(0.02); // the seven large signs: 2 / 2^7; the sign test, 7 to 3: .34
  expect(signFlipTest([0, 0])).toBe(1);
});

test("the sign-flip test refuses a true hypothesis in 5% of studies, and a fifth of its p-value is refused", () => {
  const random = seedrandom("null");
  const studies = 200;
  const rates = [1, 0.2].map((factor) => {
    let refused = 0;
    for (let study = 0; study < studies; study++) {
      const differences = Array.from({ length: 12 }, () => (random() - random()) ** 3);
      if (factor * signFlipTest(differences, { flips: 100, seed: study }) < 0.05) refused++;
    }
    return refused / studies;
  });
  // Five standard errors of .05 in 200 studies: a false alarm with fewer than 1 of 10,000 seeds.
  expect(rates[0]).toBeLessThan(0.127);
  expect(rates[1]).toBeGreaterThan(0.127);
});

test("Student's interval is the tables'", () => {
  // t at 9 degrees: 2.262; the mean of 1 to 10 is 5.5, its standard error .9574.
  const [low, high] = studentInterval([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  expect(low).toBeCloseTo(5.5 - 2.262 * 0.9574, 2);
  expect(high).toBeCloseTo(5.5 + 2.262 * 0.9574, 2);
});
