/** What the methods promise their callers, on the bundled model. */
import { describe, expect, test } from "vitest";
import { beam } from "../../src/methods/beam.js";
import { bestOfN } from "../../src/methods/best-of-n.js";
import { ets } from "../../src/methods/ets.js";
import { majority } from "../../src/methods/majority.js";
import { mh } from "../../src/methods/mh.js";
import { particle } from "../../src/methods/particle.js";
import { power } from "../../src/methods/power.js";
import { METHODS, type MethodOptions } from "../../src/methods/registry.js";
import type { Result } from "../../src/methods/result.js";
import { greedy, sample } from "../../src/methods/sample.js";
import type { Step } from "../../src/methods/step.js";
import { selfConsistency } from "../../src/rewards/self-consistency.js";
import { miniGsm } from "../../src/tasks/mini-gsm.js";
import { drawnIn } from "../fixtures/drawn-tokens.js";
import { QUESTION, useModel } from "../fixtures/models.js";
import { endlessTokens } from "../fixtures/precise-model.js";

const model = useModel();
const proposal = useModel("mini-gsm-proposal");
const base: MethodOptions = { extract: miniGsm.extract, maxTokens: 60, temperature: 1 };
const meanLogProb = ({ logProbs }: { logProbs: readonly number[] }) =>
  logProbs.reduce((a, b) => a + b, 0) / logProbs.length;

const ALL = { ets, bestOfN, majority, sample, greedy, beam, power, mh, particle };
/** These read a token again for each text that they cut. */
const CUTTING: unknown[] = [power, mh];

describe.each(Object.entries(ALL))("%s", (_, method) => {
  const own: MethodOptions = CUTTING.includes(method) ? { ...base, moves: 3 } : base;

  test("prefills the prompt once and decodes no token twice", async () => {
    const { usage, prompt } = await method(model(), QUESTION, { ...own, candidates: 6, steps: 4 });
    const read = usage.prefilled + usage.cached;
    if (CUTTING.includes(method)) expect(read).toBeGreaterThan(prompt.tokens.length);
    else expect(read).toBe(prompt.tokens.length);
    expect(usage.decoded).toBeLessThan(usage.generated);
    expect(usage.generated).toBeGreaterThan(0);
  });

  test("gives the same result for the same seed, as the model's text", async () => {
    const options = { ...own, candidates: 4, steps: 3, seed: 7 };
    const a = await method(model(), QUESTION, options);
    const b = await method(model(), QUESTION, options);
    const plain = (r: Result) => ({
      ...r,
      plan: { ...r.plan, freeBytes: 0 },
      usage: { ...r.usage, ms: 0 },
      steps: r.steps.map((s) => ({ ...s, ms: 0 })),
    });
    expect(plain(b)).toEqual(plain(a));
    expect(model().detokenize(Int32Array.from(a.tokens))).toBe(a.text);
    expect(a.tokens).toHaveLength(a.logProbs.length);
  });

  test("frees everything it took", async () => {
    const context = await model().lease({ cells: 512, sequences: 4 });
    await model().release(context);
    await method(model(), QUESTION, { ...own, candidates: 4 });
    const after = await model().lease({ cells: 64, sequences: 4 });
    expect((await after.status()).usedCells).toBe(0);
    await model().release(after);
  });
});

test("particles with the same text are decoded once, block after block", async () => {
  const options = { ...base, alpha: 4, candidates: 8, blockTokens: 4, seed: 3 };
  const { usage, steps } = await particle(model(), QUESTION, options);
  // The last token of a text that ends isn't decoded.
  const beginnings = steps.flatMap(({ candidates }) =>
    candidates.flatMap(({ tokens, finishReason }) => {
      const decoded = tokens.slice(0, finishReason === null ? tokens.length : -1);
      return decoded.map((_, i) => decoded.slice(0, i + 1).join());
    }),
  );
  expect(usage.decoded).toBe(new Set(beginnings).size);
});

describe("usage", () => {
  const guided: MethodOptions = {
    candidates: 4,
    rollouts: 2,
    blockTokens: 6,
    maxTokens: 24,
    temperature: 1.5,
    seed: 3,
  };
  const alone: MethodOptions = { temperature: 0.7, seed: 0 };
  test.each<[string, (prompt: string, options: MethodOptions) => Promise<Result>, MethodOptions]>([
    [
      "ets in waves",
      (...args) => ets(model(), ...args),
      { ...guided, candidates: 40, rollouts: 8, maxTokens: 12 },
    ],
    [
      "ets with a long prompt",
      (...args) => ets(model(), ...args),
      { ...guided, system: "Show your work. ".repeat(20) },
    ],
    [
      "ets-is",
      (prompt, options) => ets(model(), prompt, { ...options, proposal: proposal() }),
      guided,
    ],
    ["best-of-n", (...args) => bestOfN(model(), ...args), { ...alone, candidates: 8 }],
    ["majority", (...args) => majority(model(), ...args), { ...alone, candidates: 8 }],
    ["sample", (...args) => sample(model(), ...args), alone],
    ["greedy", (...args) => greedy(model(), ...args), {}],
  ])("of %s counts every token that the steps show, each drawn once", async (_, run, options) => {
    const result = await run(QUESTION, options);
    const { usage, proposalUsage, prompt, steps, tokens } = result;
    expect(usage.prefilled + usage.cached).toBe(prompt.tokens.length);
    expect(usage.decoded).toBeLessThanOrEqual(usage.generated);
    expect(usage.scored).toBe(proposalUsage?.generated ?? 0);
    const generated = usage.generated + (proposalUsage?.generated ?? 0);
    expect(generated).toBe(steps.length === 0 ? tokens.length : drawnIn(steps));
  });
});

describe("ETS", () => {
  test("reports each step in full: weights that follow from energies, energies from rewards", async () => {
    const lambda = 0.3;
    const options = { ...base, candidates: 5, rollouts: 3, steps: 4, lambda };
    const steps: Step[] = [];
    const result = await ets(model(), QUESTION, { ...options, onStep: (s) => steps.push(s) });
    expect(steps).toEqual(result.steps);
    for (const step of result.steps) {
      expect(step.candidates).toHaveLength(5);
      expect(step.weights.reduce((a, b) => a + b)).toBeCloseTo(1, 10);
      expect(step.ess).toBeCloseTo(1 / step.weights.reduce((s, w) => s + w * w, 0), 8);
      for (const [m, candidate] of step.candidates.entries()) {
        const ratio = (step.logEnergies[m] as number) - (step.logEnergies[0] as number);
        expect(Math.log((step.weights[m] as number) / (step.weights[0] as number))).toBeCloseTo(
          ratio,
          6,
        );
        const own = candidate.completions;
        if (own.length === 0) continue; // repeats an earlier candidate
        const energy = own.reduce((s, c) => s + Math.exp(c.reward / lambda), 0) / own.length;
        expect(step.logEnergies[m]).toBeCloseTo(Math.log(energy), 8);
        for (const c of own)
          expect(c.tokens.slice(0, candidate.tokens.length)).toEqual(candidate.tokens);
      }
    }
    // Each step's candidates go on from the chosen one.
    for (const [i, step] of result.steps.slice(1).entries()) {
      const before = result.steps[i] as Step;
      const prefix = before.candidates[before.chosen]?.tokens as number[];
      for (const c of step.candidates) expect(c.tokens.slice(0, prefix.length)).toEqual(prefix);
    }
    expect(result.answer).toBe(miniGsm.extract(result.text));
  });

  test("rolls identical candidates out once, each with the group's votes", async () => {
    const options = {
      ...base,
      temperature: 0.01, // so that candidates are identical
      candidates: 8,
      rollouts: 2,
      blockTokens: 3,
      reward: meanLogProb,
    };
    const shared = await ets(model(), QUESTION, options);
    const each = await ets(model(), QUESTION, { ...options, shortcuts: { duplicates: false } });
    for (const step of shared.steps) {
      const votes = step.candidates.flatMap((c) => c.completions).reduce((s, c) => s + c.votes, 0);
      expect(votes).toBe(8 * 2);
    }
    expect(shared.usage.generated).toBeLessThan(each.usage.generated / 2);
  });

  test("does not roll out candidates that have ended, nor at the last step", async () => {
    const result = await ets(model(), QUESTION, {
      ...base,
      candidates: 4,
      rollouts: 3,
      steps: 1,
      maxTokens: 60,
    });
    const completions = result.steps[0]?.candidates.flatMap((c) => c.completions) ?? [];
    expect(completions.every(({ rollout }) => rollout === null)).toBe(true);
    expect(result.usage.generated).toBe(
      result.steps[0]?.candidates.reduce((sum, c) => sum + c.tokens.length, 0),
    );
  });

  test("with one step and λ → 0 is best-of-n on the same seeds", async () => {
    for (let seed = 0; seed < 10; seed++) {
      const options = { ...base, candidates: 6, seed, reward: meanLogProb };
      const guided = await ets(model(), QUESTION, { ...options, steps: 1, lambda: 1e-9 });
      const best = await bestOfN(model(), QUESTION, options);
      expect(guided.text).toBe(best.text);
      expect(guided.tokens).toEqual(best.tokens);
    }
  });

  test("adopts a rollout once the reward can't change", async () => {
    const reward = {
      ...selfConsistency({ extract: miniGsm.extract }),
      isDecided: () => true,
    };
    const endless = { ...base, allowedTokens: endlessTokens(model()) };
    const options = { ...endless, candidates: 4, rollouts: 2, blockTokens: 6, reward };
    const decided = await ets(model(), QUESTION, options);
    expect(decided.steps).toHaveLength(1);
    const [{ candidates, chosen } = { candidates: [], chosen: 0 }] = decided.steps;
    const own = candidates[chosen]?.tokens;
    expect(decided.tokens.slice(0, own?.length)).toEqual(own);
    expect(candidates.flatMap((c) => c.completions.map((x) => x.text))).toContain(decided.text);
    const undecided = await ets(model(), QUESTION, { ...options, shortcuts: { decided: false } });
    expect(undecided.steps).toHaveLength(60 / 6);
  });

  test("can end with a choice among the last rollouts", async () => {
    const endless = { ...base, allowedTokens: endlessTokens(model()) };
    const options = { ...endless, candidates: 4, rollouts: 2, steps: 3, finish: "resample" };
    const result = await ets(model(), QUESTION, options as MethodOptions);
    expect(result.steps).toHaveLength(2);
    const texts = result.steps[1]?.candidates.flatMap((c) => c.completions.map(({ text }) => text));
    expect(texts).toContain(result.text);
  });

  test("handles more rollouts than the engine has sequences, in waves", async () => {
    const options = { ...base, candidates: 40, rollouts: 10, steps: 2, maxTokens: 12 };
    const { steps } = await ets(model(), QUESTION, {
      ...options,
      allowedTokens: endlessTokens(model()),
      shortcuts: { duplicates: false },
    });
    const rollouts = steps[0]?.candidates.flatMap((c) => c.completions) ?? [];
    expect(rollouts).toHaveLength(400);
  });

  test("stops before a stop string", async () => {
    const free = await sample(model(), QUESTION, base);
    const stop = free.text.slice(8, 14);
    const result = await sample(model(), QUESTION, { ...base, stop: [stop] });
    expect(result.text).toBe(free.text.slice(0, free.text.indexOf(stop)));
    expect(result.stopReason).toBe("stop");
  });
});

describe("majority", () => {
  test("returns the first text with the most frequent answer", async () => {
    const { steps, answer, text, agreement } = await majority(model(), QUESTION, {
      ...base,
      temperature: 1.3,
      candidates: 15,
    });
    const answers = steps[0]?.candidates.map((c) => miniGsm.extract(c.text)) ?? [];
    const count = (a: string | null) => answers.filter((x) => x === a).length;
    const most = Math.max(...answers.filter((a) => a !== null).map(count));
    expect(count(answer)).toBe(most);
    expect(agreement).toBeCloseTo(most / 15);
    expect(text).toBe(steps[0]?.candidates[answers.indexOf(answer)]?.text);
  });
});

describe("a budget", () => {
  test("of tokens ends with the best answer so far, within one batch", async () => {
    const options = {
      ...base,
      candidates: 8,
      rollouts: 2,
      blockTokens: 8,
      budget: { tokens: 250 },
    };
    const result = await ets(model(), QUESTION, { ...options, shortcuts: { duplicates: false } });
    expect(result.stopReason).toBe("budget");
    expect(result.usage.generated).toBeLessThanOrEqual(250 + 16);
    const best = result.steps
      .flatMap((s) => s.candidates.flatMap((c) => c.completions))
      .find((c) => c.reward === 1);
    expect(result.answer).toBe(miniGsm.extract(best?.text ?? result.text));
  });

  test("too small for one text gives what there is", async () => {
    const result = await sample(model(), QUESTION, { ...base, budget: { tokens: 3 } });
    expect(result.tokens).toHaveLength(3);
    expect(result.stopReason).toBe("budget");
    for (const method of [ets, bestOfN, majority]) {
      const cut = await method(model(), QUESTION, {
        ...base,
        candidates: 4,
        budget: { tokens: 5 },
      });
      expect(cut.stopReason).toBe("budget");
    }
  });

  test("of time ends soon", async () => {
    const options = { ...base, candidates: 200, rollouts: 10, steps: 4, budget: { ms: 150 } };
    const result = await ets(model(), QUESTION, options);
    expect(result.stopReason).toBe("budget");
  });
});

describe("cancelling", () => {
  test("rejects with the signal's reason, before and in mid-run; the model can be used on", async () => {
    const reason = new Error("changed my mind");
    await expect(ets(model(), QUESTION, { signal: AbortSignal.abort(reason) })).rejects.toBe(
      reason,
    );
    const cancel = new AbortController();
    const running = ets(model(), QUESTION, {
      ...base,
      candidates: 100,
      rollouts: 20,
      signal: cancel.signal,
    });
    setTimeout(() => cancel.abort(reason), 50);
    await expect(running).rejects.toBe(reason);
    expect((await sample(model(), QUESTION, base)).text).not.toBe("");
  });
});

describe("a reward that takes long", () => {
  test("does not hold up an abort", async () => {
    const cancel = new AbortController();
    let isAsked: () => void = () => {};
    const asked = new Promise<void>((resolve) => {
      isAsked = resolve;
    });
    const never = () => {
      isAsked();
      return new Promise<number>(() => {});
    };
    const options = { ...base, candidates: 2, reward: never, signal: cancel.signal };
    const running = bestOfN(model(), QUESTION, options);
    await asked;
    const reason = new Error("enough");
    cancel.abort(reason);
    await expect(running).rejects.toBe(reason);
  });
});

describe("a callback that throws", () => {
  test("rejects the run with what it threw, and the model can be used on", async () => {
    const oops = () => {
      throw new Error("oops");
    };
    const long = { ...base, candidates: 100, rollouts: 10 };
    await expect(ets(model(), QUESTION, { ...long, onProgress: oops })).rejects.toThrow("oops");
    await expect(ets(model(), QUESTION, { ...base, onStep: oops })).rejects.toThrow("oops");
    await expect(sample(model(), QUESTION, { ...base, extract: oops })).rejects.toThrow("oops");
    expect((await sample(model(), QUESTION, base)).text).not.toBe("");
  });
});

describe("rewards that misbehave", () => {
  const throws = () => {
    throw new Error("no network");
  };
  test.each([
    ["NaN", () => Number.NaN, /`NaN` for candidate 0 at step 0/],
    ["infinity", () => Number.POSITIVE_INFINITY, /Infinity/],
    ["nothing", () => undefined as unknown as number, /undefined/],
    ["an exception", throws, /no network/],
    ["too few numbers", { name: "short", score: () => [1] }, /4 numbers/],
  ])("%s is an error that says where", async (_, reward, message) => {
    const run = bestOfN(model(), QUESTION, { ...base, candidates: 4, reward });
    await expect(run).rejects.toMatchObject({
      code: "ERR_REWARD",
      message: expect.stringMatching(message),
    });
  });

  test("a rollout's bad reward names the rollout", async () => {
    const reward = ({ rollout }: { rollout: number | null }) => (rollout === 1 ? Number.NaN : 0);
    const run = ets(model(), QUESTION, { ...base, candidates: 2, rollouts: 2, steps: 4, reward });
    await expect(run).rejects.toThrow(/rollout 1 of candidate 0 at step 0/);
  });
});

describe("options", () => {
  test.each([
    [{ candidates: 0 }, "candidates"],
    [{ candidates: 2.5 }, "candidates"],
    [{ rollouts: 0 }, "rollouts"],
    [{ steps: 0 }, "steps"],
    [{ steps: 2, blockTokens: 2 }, "both"],
    [{ lambda: 0 }, "lambda"],
    [{ lambda: Number.NaN }, "lambda"],
    [{ temperature: -1 }, "temperature"],
    [{ temperature: Number.NaN }, "temperature"],
    [{ topP: 0 }, "topP"],
    [{ topP: 1.1 }, "topP"],
    [{ minP: 2 }, "minP"],
    [{ topK: -1 }, "topK"],
    [{ allowedTokens: [] }, "allowedTokens"],
    [{ allowedTokens: [1e9] }, "allowedTokens"],
    [{ maxTokens: 0 }, "maxTokens"],
    [{ seed: -1 }, "seed"],
    [{ finish: "sometimes" }, "finish"],
    [{ budget: { tokens: 0 } }, "budget.tokens"],
    [{ budget: { token: 5 } }, "tokens"],
    [{ stop: [""] }, "stop"],
    [{ candidate: 4 }, "`candidates`"],
  ])("%j is refused by name", async (options, name) => {
    const error = await ets(model(), QUESTION, options as MethodOptions).catch((e: Error) => e);
    expect(error).toMatchObject({ code: "ERR_INVALID_OPTION" });
    expect((error as Error).message).toContain(name);
  });

  test("an answer that would not fit the model's context is refused before work starts", async () => {
    const run = ets(model(), QUESTION, { maxTokens: 100_000 });
    await expect(run).rejects.toMatchObject({ code: "ERR_CONTEXT_FULL" });
    await expect(ets(model(), "very ".repeat(3000), {})).rejects.toMatchObject({
      code: "ERR_CONTEXT_FULL",
    });
  });

  test("of ETS-IS are refused where there is no proposal, and a proposal by other methods", async () => {
    for (const options of [{ weights: "psis" as const }, { mixture: 0.5 }]) {
      await expect(ets(model(), QUESTION, options)).rejects.toMatchObject({
        code: "ERR_INVALID_OPTION",
      });
    }
    const run = METHODS["best-of-n"](model(), QUESTION, { proposal: model() });
    await expect(run).rejects.toMatchObject({ code: "ERR_INVALID_OPTION" });
  });

  test("an empty prompt is refused", async () => {
    for (const prompt of ["", "  ", []]) {
      await expect(sample(model(), prompt)).rejects.toMatchObject({ code: "ERR_INVALID_OPTION" });
    }
  });
});
