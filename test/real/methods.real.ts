/** Every method writes real text with a real vocabulary, and says truly what it did. */
import { describe, expect, test } from "vitest";
import type { SamplingOptions } from "../../src/engine/sampling.js";
import { METHOD_NAMES, METHODS, type MethodOptions } from "../../src/methods/registry.js";
import type { Result } from "../../src/methods/result.js";
import { runReport } from "../../src/report/for-programs.js";
import { confidence } from "../../src/rewards/certainty.js";
import { combine } from "../../src/rewards/combine.js";
import { selfConsistency } from "../../src/rewards/self-consistency.js";
import { regexVerifier } from "../../src/rewards/verifier.js";
import { checkPage } from "../fixtures/html-page.js";
import { endlessTokens } from "../fixtures/precise-model.js";
import { largestDifference, ROUNDING } from "../fixtures/rounding.js";
import { hasRealModel, STORY, useRealModel, wordsUsed } from "./real-model.js";

const model = useRealModel();
const SMALL: MethodOptions = { candidates: 4, steps: 2, maxTokens: 24, temperature: 0.8 };
const run = (name: keyof typeof METHODS, options: MethodOptions = {}): Promise<Result> =>
  METHODS[name](model(), STORY, { ...SMALL, ...options });
const REWARDED = ["ets", "ets-is", "best-of-n"];

/** What it was drawn from, as `score` takes it. */
function policyOf({ settings: { sampling } }: Result): SamplingOptions {
  const { vocabLimit: _, allowedTokens, ...policy } = sampling;
  return { ...policy, ...(allowedTokens.length > 0 && { allowedTokens }) };
}

const mean = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0) / numbers.length;

describe.skipIf(!hasRealModel)("a chat", () => {
  test("is what the file's template makes of it: roles apart, and a message can't speak for one", async () => {
    const special = new Set(
      model()
        .specialTokens()
        .map(({ token }) => token),
    );
    const marksOf = async (prompt: Parameters<ReturnType<typeof model>["encodePrompt"]>[0]) => {
      const { tokens } = await model().encodePrompt(prompt);
      return [...tokens].filter((token) => special.has(token));
    };
    const asked = await marksOf([{ role: "user", content: STORY }]);
    expect(asked.length).toBeGreaterThan(0);
    expect(await marksOf(STORY)).toEqual(asked);
    const spelled = model()
      .specialTokens()
      .map(({ text }) => text)
      .join(" ");
    expect(await marksOf(`${STORY} ${spelled}`)).toEqual(asked);
    const longer = await marksOf([
      { role: "user", content: STORY },
      { role: "assistant", content: "Once" },
      { role: "user", content: "Go on." },
    ]);
    expect(longer.length).toBeGreaterThan(asked.length);
  });
});

describe.skipIf(!hasRealModel)("every method", () => {
  test.each(METHOD_NAMES)("%s: text, tokens, log-probabilities and counts agree", async (name) => {
    const own: MethodOptions = {
      ...(name === "ets-is" && { proposal: model() }),
      ...(["power", "mh"].includes(name) && { moves: 2 }),
    };
    const result = await run(name, { ...own, reward: wordsUsed });
    const { text, tokens, logProbs, usage, steps, stopReason } = result;
    expect(model().detokenize(Int32Array.from(tokens), { continues: true })).toBe(text);
    expect(tokens.length).toBeLessThanOrEqual(SMALL.maxTokens as number);
    expect(["end", "length"]).toContain(stopReason);
    expect(usage.generated).toBeGreaterThanOrEqual(tokens.length);
    const read = usage.prefilled + usage.cached;
    expect(read).toBeGreaterThanOrEqual(result.prompt.tokens.length);
    for (const { weights, candidates, chosen, ess } of steps) {
      expect(weights.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 9);
      expect(candidates[chosen]?.text).toBeTypeOf("string");
      expect(ess).toBeGreaterThanOrEqual(1 - 1e-9);
      expect(ess).toBeLessThanOrEqual(candidates.length + 1e-9);
      for (const completion of candidates.flatMap((c) => c.completions)) {
        if (REWARDED.includes(name)) expect(completion.reward).toBe(wordsUsed(completion));
      }
    }
    const [scored] = await model().score(STORY, [tokens], policyOf(result));
    const differences = logProbs.map((p, i) => Math.abs(p - (scored?.logProbs[i] as number)));
    expect(mean(differences)).toBeLessThan(ROUNDING);
    checkPage(await runReport(result));
  });
});

describe.skipIf(!hasRealModel)("rewards", () => {
  test("a vote is shared by the texts that answer alike", async () => {
    const extract = (text: string) => (text.includes("cat") ? "cat" : "none");
    const { steps, agreement, answer } = await run("majority", {
      candidates: 8,
      extract,
      reward: selfConsistency({ extract }),
    });
    const texts = steps.at(-1)?.candidates.map(({ text }) => extract(text)) ?? [];
    const votes = texts.filter((text) => text === answer).length;
    expect(agreement).toBeCloseTo(votes / 8, 9);
    expect(votes).toBeGreaterThanOrEqual(4);
  });

  test("best-of-n returns the text that earns most, of a weighted sum too", async () => {
    const reward = combine([
      { reward: regexVerifier(/\bcat\b/i), weight: 1 },
      { reward: confidence(), weight: 0.25 },
    ]);
    const { text, steps } = await run("best-of-n", { candidates: 6, reward });
    const all = steps.flatMap(({ candidates }) => candidates.flatMap((c) => c.completions));
    const most = Math.max(...all.map((c) => c.reward));
    expect(all.filter((c) => c.reward === most).map((c) => c.text)).toContain(text);
    for (const { reward: earned, text: other } of all) {
      const matches = /\bcat\b/i.test(other) ? 1 : 0;
      expect(earned - matches).toBeGreaterThan(0); // a confidence lies between 0 and 1
      expect(earned - matches).toBeLessThanOrEqual(0.25);
    }
  });
});

describe.skipIf(!hasRealModel)("a budget", () => {
  test("of tokens ends a run with its best text so far", async () => {
    const budget = { tokens: 40 };
    const { usage, stopReason, text } = await run("ets", {
      budget,
      maxTokens: 64,
      allowedTokens: endlessTokens(model()),
      reward: wordsUsed,
    });
    expect(usage.generated).toBeLessThanOrEqual(40);
    expect(stopReason).toBe("budget");
    expect(text).not.toBe("");
  });

  test("of a millisecond is a result too", async () => {
    const { stopReason } = await run("best-of-n", { budget: { ms: 1 }, reward: wordsUsed });
    expect(stopReason).toBe("budget");
  });
});

describe.skipIf(!hasRealModel)("long texts and many", () => {
  test("of 1,000 tokens: the log-probabilities are those of its score", async () => {
    const result = await run("sample", {
      maxTokens: 1000,
      allowedTokens: endlessTokens(model()),
    });
    const { tokens, logProbs, text, stopReason } = result;
    expect({ length: tokens.length, stopReason }).toEqual({ length: 1000, stopReason: "length" });
    expect(text.length).toBeGreaterThan(1000);
    const [scored] = await model().score(STORY, [tokens], policyOf(result));
    const differences = logProbs.map((p, i) => Math.abs(p - (scored?.logProbs[i] as number)));
    expect(mean(differences)).toBeLessThan(ROUNDING);
  });

  test("32 texts grow side by side, a decode for each of their tokens", async () => {
    const { usage, plan } = await run("best-of-n", {
      candidates: 32,
      maxTokens: 12,
      steps: 1,
      temperature: 1.5,
      reward: wordsUsed,
      allowedTokens: endlessTokens(model()),
      prefixCache: false,
    });
    expect(plan.model.parallel).toBe(32);
    expect(usage.generated).toBe(32 * 12);
    expect(usage.decodes).toBe(1 + 11); // the prompt; a last token isn't decoded
  });
});

describe.skipIf(!hasRealModel)("numbers", () => {
  test("a text that is drawn among others has the log-probabilities of its score, where attention is ours", async () => {
    const result = await run("best-of-n", { candidates: 6, reward: wordsUsed });
    const drawn = result.steps.flatMap(({ candidates }) => candidates);
    const scored = await model().score(
      STORY,
      drawn.map(({ tokens }) => tokens),
      policyOf(result),
    );
    const bound = model().describe().sharesAttention ? 1e-3 : 5 * ROUNDING;
    for (const [i, { logProbs }] of drawn.entries()) {
      expect(largestDifference(logProbs, scored[i]?.logProbs ?? [])).toBeLessThan(bound);
    }
  });
});
