/** 100,000 calls of the public API with wrong values, as test:reliability makes 2,000 of them. */
import { expect, test } from "vitest";
import { fuzzApi } from "../fixtures/fuzz-api.js";

const CALLS = Number(process.env.LLAMA_ETS_STUDY_CALLS ?? 100_000);
const AT_ONCE = 5000;

test(`${CALLS} calls of the public API`, async () => {
  let calls = 0;
  const violations: string[] = [];
  for (let seed = 1; calls < CALLS; seed++) {
    const fuzzed = await fuzzApi(seed, Math.min(AT_ONCE, CALLS - calls + 100));
    calls += fuzzed.calls;
    violations.push(...fuzzed.violations);
    console.log(`${calls} calls, ${violations.length} violations`);
    if (violations.length > 0) break;
  }
  expect(violations).toEqual([]);
}, 7_200_000);
