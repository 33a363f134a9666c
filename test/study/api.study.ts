/** 100,000 calls of the public API with wrong values, as test:reliability makes 2,000 of them. */
import { expect, test } from "vitest";
import { fuzzApi } from "../fixtures/fuzz-api.js";

const CALLS = Number(process.env.LLAMA_ETS_STUDY_CALLS ?? 100_000);
/** A study in pieces goes on at another seed: each has about 5,000 calls. */
const FIRST_SEED = Number(process.env.LLAMA_ETS_STUDY_FIRST_SEED ?? 1);
const AT_ONCE = 5000;

test(`${CALLS} calls of the public API`, async () => {
  let calls = 0;
  const violations: string[] = [];
  for (let seed = FIRST_SEED; calls < CALLS; seed++) {
    const fuzzed = await fuzzApi(seed, Math.min(AT_ONCE, CALLS - calls + 100));
    calls += fuzzed.calls;
    violations.push(...fuzzed.violations);
    console.log(`${calls} calls, ${violations.length} violations`);
    if (violations.length >= 20) break;
  }
  expect(violations).toEqual([]);
}, 7_200_000);
