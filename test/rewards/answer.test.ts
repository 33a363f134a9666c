import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { canonicalAnswer, extractAnswer } from "../../src/rewards/answer.js";

describe("a canonical answer", () => {
  // Minutes for a pattern that begins anew at each character.
  test.each(["1", ".", "0.", " ."])("is found of a million characters of %j", (part) => {
    const text = `${part.repeat(1e6 / part.length)}x`;
    expect(canonicalAnswer(text)).toBe(text.trim());
  });

  test.each([
    ["70,000", "70000"],
    ["$70,000", "70000"],
    ["70000", "70000"],
    ["70000.00", "70000"],
    ["70 000", "70000"],
    [" 18. ", "18"],
    ["018", "18"],
    ["-0", "0"],
    ["-3", "-3"],
    ["+3", "3"],
    [".50", "0.5"],
    ["1,2", "1,2"], // not a thousands comma
    ["12345678901234567890", "12345678901234567890"],
    ["12345678901234567891", "12345678901234567891"], // a double could not tell it apart
    ["Blue  Whale", "blue whale"],
    ["50%", "50%"],
  ])("of %j is %j", (written, canonical) => {
    expect(canonicalAnswer(written)).toBe(canonical);
  });

  test("is its own canonical form", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.integer().map(String)), (text) => {
        expect(canonicalAnswer(canonicalAnswer(text))).toBe(canonicalAnswer(text));
      }),
      { seed: 1, numRuns: 500 },
    );
  });

  test("is one for all ways to write an integer", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10 ** 12 }), (n) => {
        const forms = [`${n}`, `$${n}`, `${n}.0`, n.toLocaleString("en-US"), `${n}.`];
        expect(new Set(forms.map(canonicalAnswer))).toEqual(new Set([String(n)]));
      }),
      { seed: 2 },
    );
  });
});

describe("an answer is found", () => {
  test.each([
    ["4 * 2 = 8.\n#### 8", "8"],
    ["#### 8\nNo: 9.\n#### 9", "9"],
    ["So \\boxed{\\frac{1}{2}} and \\boxed{x_{1} + 2}.", "x_{1} + 2"],
    ["The answer is 42.", "42"],
    ["Thus the answer is: blue", "blue"],
    ["First 3, then 5, so 15 in all.", "15"],
    ["It costs $1,250.50 today", "$1,250.50"],
  ])("in %j: %j", (text, answer) => {
    expect(extractAnswer(text)).toBe(answer);
  });

  test.each(["", "no number here", "#### \n", "\\boxed{unclosed"])("not in %j", (text) => {
    expect(extractAnswer(text)).toBeNull();
  });
});
