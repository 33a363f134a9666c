import { expect, test } from "vitest";

const { median, wilson } = await import(
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
