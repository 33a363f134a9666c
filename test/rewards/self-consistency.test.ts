import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Completion } from "../../src/rewards/reward.js";
import { electMajority, selfConsistency } from "../../src/rewards/self-consistency.js";

function completion(answer: string | null, rest: Partial<Completion> = {}): Completion {
  const text = answer === null ? "I can't tell" : `#### ${answer}`;
  const base = { tokens: [], logProbs: [], finishReason: "end" as const };
  return { ...base, text, candidate: 0, rollout: 0, votes: 1, samples: 1, ...rest };
}

const score = (pool: Completion[], options = {}, earlier: Completion[] = []) =>
  selfConsistency(options).score({ prompt: "", pool, earlier });

describe("self-consistency", () => {
  test("rewards the texts that give the majority's answer, however it is written", () => {
    const pool = ["70,000", "5", "$70000", null].map((answer) => completion(answer));
    expect(score(pool)).toEqual([1, 0, 1, 0]);
  });

  test("gives a tie to the answer seen first", () => {
    expect(score(["2", "1", "1", "2"].map((a) => completion(a)))).toEqual([1, 0, 0, 1]);
  });

  test("gives a majority of one draw nothing, unless asked", () => {
    const pool = ["1", "2", "3"].map((a) => completion(a));
    expect(score(pool)).toEqual([0, 0, 0]);
    expect(score(pool, { singleton: 1 })).toEqual([1, 0, 0]);
    const shared = [completion("1"), completion("2", { votes: 3, samples: 3 })];
    expect(score(shared)).toEqual([0, 1]); // one text, but three candidates' draw
  });

  test("counts a text's votes, not the text", () => {
    expect(
      score([completion("1", { votes: 4, samples: 4 }), completion("2"), completion("2")]),
    ).toEqual([1, 0, 0]);
  });

  test("can count the votes of earlier steps too", () => {
    const pool = [completion("1"), completion("1"), completion("2")];
    const earlier = [completion("2"), completion("2")];
    expect(score(pool, {}, earlier)).toEqual([1, 1, 0]);
    expect(score(pool, { pool: "all" }, earlier)).toEqual([0, 0, 1]);
  });

  test("can judge each candidate by the others' votes", () => {
    const pool = [
      completion("1", { candidate: 0 }),
      completion("1", { candidate: 0, rollout: 1 }),
      completion("1", { candidate: 0, rollout: 2 }),
      completion("2", { candidate: 1 }),
      completion("2", { candidate: 2 }),
    ];
    expect(score(pool)).toEqual([1, 1, 1, 0, 0]);
    expect(score(pool, { leaveCandidateOut: true })).toEqual([0, 0, 0, 0, 0]);
    expect(
      score([...pool, completion("2", { candidate: 3 })], { leaveCandidateOut: true }),
    ).toEqual([0, 0, 0, 0, 0, 0]);
  });

  test("refuses misspelt options", () => {
    expect(() => selfConsistency({ leaveCandidatOut: true } as object)).toThrowError(
      /leaveCandidateOut/,
    );
  });
});

describe("the majority", () => {
  test("has the most votes of any answer, and a share of all votes", () => {
    const ballots = fc.array(
      fc.record({
        answer: fc.constantFrom("1", "2", "3", null),
        votes: fc.integer({ min: 1, max: 5 }),
        samples: fc.integer({ min: 1, max: 5 }),
      }),
      { minLength: 1 },
    );
    fc.assert(
      fc.property(ballots, (all) => {
        const { answer, share } = electMajority(all, 1);
        const votesFor = (a: string | null) =>
          all.filter((b) => b.answer === a).reduce((sum, b) => sum + b.votes, 0);
        const total = all.reduce((sum, b) => sum + b.votes, 0);
        const most = Math.max(...["1", "2", "3"].map(votesFor));
        expect(answer === null ? 0 : votesFor(answer)).toBe(most);
        expect(share).toBeCloseTo(most / total);
      }),
      { seed: 1 },
    );
  });
});
