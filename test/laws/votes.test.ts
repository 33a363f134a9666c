/**
 * Votes weighted by probability against their exact limit, on a table of 40 texts: an answer's share is
 * its probability among the distinct texts seen, whatever number of times they came. Nothing here is a
 * test of frequencies; the twins are counted votes, which only tend to it.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { majority } from "../../src/methods/majority.js";
import type { MethodOptions } from "../../src/methods/registry.js";
import type { Result } from "../../src/methods/result.js";
import { TableModel } from "../fixtures/table-engine/model.js";
import { hashedTable } from "../fixtures/table-engine/tables.js";
import { type EnumeratedPolicy, enumeratePolicy, PROMPT } from "../study/enumerated-policy.js";
import { referenceLaw } from "../study/exact-law.js";

const model = new TableModel(hashedTable(12));
let policy: EnumeratedPolicy;
let probabilities: number[];

beforeAll(async () => {
  policy = await enumeratePolicy(model, model);
  probabilities = referenceLaw(policy);
});

/** The text's last character; the end token has none. */
const extract = (text: string) => text.at(-1) ?? null;

function run(given: MethodOptions) {
  const { lambda: _, blockTokens: __, reward: ___, ...options } = policy.options;
  return majority(model, PROMPT, { ...options, extract, ...given });
}

/** What the answers of some texts, by their indices, have together of their weights. */
function answersOf(texts: Iterable<number>, weights = probabilities): Map<string | null, number> {
  const answers = new Map<string | null, number>();
  for (const i of texts) {
    const tokens = policy.texts[i]?.path.map((a) => policy.tokens[a] as number) ?? [];
    const answer = extract(model.detokenize(Int32Array.from(tokens)));
    answers.set(answer, (answers.get(answer) ?? 0) + (weights[i] as number));
  }
  return answers;
}

function sharesIn({ steps }: Result, weights = probabilities) {
  const seen = new Set(steps[0]?.candidates.map(({ tokens }) => policy.textIndex(tokens)));
  const answers = answersOf(seen, weights);
  const total = [...answers.values()].reduce((a, b) => a + b, 0);
  const given = [...answers].filter(([answer]) => answer !== null);
  const [answer, mass] = given.reduce((a, b) => (b[1] > a[1] ? b : a));
  return { answer, share: mass / total, seen };
}

describe("votes by probability", () => {
  test("give answers the shares of the distinct texts' probabilities, counted ones don't", async () => {
    for (let seed = 0; seed < 20; seed++) {
      const options: MethodOptions = { candidates: 60, seed };
      const result = await run({ ...options, votes: "probability" });
      const exact = sharesIn(result);
      expect(exact.seen.size).toBeLessThan(60); // some came again
      expect(result.answer).toBe(exact.answer);
      expect(result.agreement).toBeCloseTo(exact.share, 9);
      const counted = await run(options);
      expect(Math.abs(counted.agreement - exact.share)).toBeGreaterThan(1e-6);
    }
  });

  test("reach the exact probability once all texts were seen", async () => {
    const result = await run({ candidates: 2000, votes: "probability" });
    const { seen } = sharesIn(result);
    const unseen = 1 - [...seen].reduce((sum, i) => sum + (probabilities[i] as number), 0);
    const exact = Math.max(...[...answersOf(probabilities.keys())].map(([a, p]) => (a ? p : 0)));
    expect(Math.abs(result.agreement - exact)).toBeLessThanOrEqual(unseen + 1e-9);
    expect(unseen).toBeLessThan(0.01);
  });

  test("with an exponent are those of p^e", async () => {
    const result = await run({ candidates: 60, votes: "probability", voteExponent: 0.5 });
    const exact = sharesIn(result, probabilities.map(Math.sqrt));
    expect(result.answer).toBe(exact.answer);
    expect(result.agreement).toBeCloseTo(exact.share, 9);
    expect(Math.abs(result.agreement - sharesIn(result).share)).toBeGreaterThan(1e-6);
  });

  test("settle once what wasn't drawn can't change them, and never on a wrong answer", async () => {
    const all = [...answersOf(probabilities.keys())].filter(([answer]) => answer !== null);
    const [right] = all.reduce((a, b) => (b[1] > a[1] ? b : a));
    const drawn: number[] = [];
    const wrongWhenCounted: boolean[] = [];
    for (let seed = 0; seed < 30; seed++) {
      const options = { candidates: 4096, seed, adaptive: { round: 4 } };
      const settled = await run({ ...options, votes: "probability" });
      expect(settled.answer).toBe(right);
      drawn.push(settled.steps[0]?.candidates.length ?? 0);
      const counted = await run({
        ...options,
        adaptive: { round: 4, rule: "beta", confidence: 0.5 },
      });
      wrongWhenCounted.push(counted.answer !== right);
    }
    expect(Math.max(...drawn)).toBeLessThan(4096);
    expect(wrongWhenCounted).toContain(true); // the twin: a rule that stops at any lead
  });
});

test("a power of the probability never settles, and is refused", async () => {
  const options: MethodOptions = { votes: "probability", voteExponent: 0.5, adaptive: true };
  await expect(run(options)).rejects.toMatchObject({
    code: "ERR_INVALID_OPTION",
    message: expect.stringContaining("voteExponent: 1"),
  });
});

test.each<[object, string]>([
  [{ votes: "weights" }, "votes"],
  [{ votes: 1 }, "votes"],
  [{ voteExponent: 0 }, "voteExponent"],
  [{ voteExponent: Number.NaN }, "voteExponent"],
])("refuses %j", async (options, name) => {
  await expect(run(options)).rejects.toMatchObject({
    code: "ERR_INVALID_OPTION",
    message: expect.stringContaining(name),
  });
});
