/**
 * The policy under a budget of thoughts: p_ref, with the closing tag forced. On a table, by enumeration:
 * all texts have probability 1 together, and what another policy draws has the weights that the forced
 * one's says. The draws have a false-alarm rate of 1e-6 a test; each test has a twin that it refuses.
 */
import { describe, expect, test } from "vitest";
import { beam } from "../../src/methods/beam.js";
import { bestOfN } from "../../src/methods/best-of-n.js";
import { ets, etsIs } from "../../src/methods/ets.js";
import { power } from "../../src/methods/power.js";
import type { Result } from "../../src/methods/result.js";
import { sample } from "../../src/methods/sample.js";
import { meanZ } from "../fixtures/statistics.js";
import { TableModel } from "../fixtures/table-engine/model.js";
import { hashedTable } from "../fixtures/table-engine/tables.js";

/** Prompts end inside a thought. */
const TEMPLATE =
  "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% if m.reasoning_content %}<think>{{ m.reasoning_content }}</think>{% endif %}\n{% endfor %}{% if add_generation_prompt %}[assistant]<think>{% endif %}";
const CLOSING = "</think>";
const [BUDGET, ANSWER] = [2, 2];
const MAX_Z = 4.89;

const model = new TableModel(hashedTable(7));
const allowedTokens = [...model.tokenize("012")];
const options = {
  chatTemplate: TEMPLATE,
  reasoning: BUDGET,
  allowedTokens,
  temperature: 1,
  maxTokens: BUDGET + CLOSING.length + ANSWER,
};
const drawMany = { ...options, candidates: 30, reward: () => 0 };
const textsOf = ({ steps }: Pick<Result, "steps">) => steps.flatMap(({ candidates }) => candidates);

describe("under a budget", () => {
  test("each text has its thoughts, the forced tag, and an answer", async () => {
    for (const { tokens, logProbs, thoughts, text } of textsOf(
      await bestOfN(model, "4?", drawMany),
    )) {
      const written = model.detokenize(Int32Array.from(tokens));
      expect(written).toMatch(/^[012]{2}<\/think>[012]{2}$/);
      expect(text).toBe(written.slice(-ANSWER));
      expect(thoughts).toMatchObject({
        text: written.slice(0, BUDGET),
        tokens: BUDGET,
        ended: "budget",
        isOpen: false,
      });
      expect(thoughts?.forced.map(({ at }) => at)).toEqual(
        Array.from(CLOSING, (_, i) => BUDGET + i),
      );
      // None of the tag is among the tokens that are allowed.
      expect(thoughts?.forced.every(({ logProb }) => logProb === Number.NEGATIVE_INFINITY)).toBe(
        true,
      );
      expect(logProbs.slice(BUDGET, -ANSWER)).toEqual(Array.from(CLOSING, () => 0));
    }
  });

  test("all texts have probability 1 together, and the twin that counts the tag has less", async () => {
    const open = { ...options, allowedTokens: [...allowedTokens, ...model.tokenize(CLOSING)] };
    const results = textsOf(await bestOfN(model, "4?", { ...drawMany, ...open, candidates: 20 }));
    const forced = results.flatMap(({ thoughts }) => thoughts?.forced ?? []);
    // Under p_ref the tag is possible here, and not certain: it is counted apart.
    expect(forced.length).toBeGreaterThan(0);
    for (const { logProb } of forced) expect(logProb).toBeLessThan(0);
    const mass = new Map<string, { policy: number; counted: number }>();
    const flat = { ...drawMany, temperature: 100, candidates: 500 };
    for (const { tokens, logProbs, thoughts } of textsOf(await bestOfN(model, "4?", flat))) {
      const policy = Math.exp(logProbs.reduce((a, b) => a + b, 0));
      const tag = thoughts?.forced.reduce((sum, { logProb }) => sum + (logProb ?? 0), 0) ?? 0;
      mass.set(tokens.join(), { policy, counted: policy * Math.exp(tag) });
    }
    expect(mass.size).toBe(3 ** (BUDGET + ANSWER));
    const total = (of: "policy" | "counted") =>
      [...mass.values()].reduce((sum, masses) => sum + masses[of], 0);
    expect(total("policy")).toBeCloseTo(1, 9);
    expect(total("counted")).toBeLessThan(0.5);
  });

  test("a constraint reads the answer alone, whose masked law has probability 1 in all", async () => {
    const constraint = { choices: ["0", "21"] };
    const end = model.info.eos as number;
    const flat = { ...options, constraint, allowedTokens: [...allowedTokens, end] };
    const law = new Map<string, { masked: number; reference: number }>();
    for (let seed = 0; seed < 120; seed++) {
      const one = await sample(model, "4?", { ...flat, seed, temperature: 100, maxTokens: 20 });
      const { tokens, logProbs, text, constraintLogMass: mass = 0 } = one;
      const written = model.detokenize(Int32Array.from(tokens));
      expect(written).toMatch(/^[012]{2}<\/think>(0|21)$/);
      expect(constraint.choices).toContain(text);
      const reference = logProbs.reduce((a, b) => a + b, 0);
      // No text ends in its thoughts, which is of the mass too.
      expect(mass).toBeLessThan(0);
      law.set(written, { masked: Math.exp(reference - mass), reference: Math.exp(reference) });
    }
    expect(law.size).toBe(3 ** BUDGET * constraint.choices.length);
    const total = (of: "masked" | "reference") =>
      [...law.values()].reduce((sum, masses) => sum + masses[of], 0);
    expect(total("masked")).toBeCloseTo(1, 9);
    expect(total("reference")).toBeLessThan(0.9);
  });

  test("a constraint begins where the prompt leaves it: behind the tag put there, or with the text", async () => {
    const chatTemplate = TEMPLATE.replace("[assistant]<think>", "[assistant]");
    const constraint = { regex: " ?[01]!" };
    const open = { chatTemplate, constraint, temperature: 1, maxTokens: 20 };
    const thought = await sample(model, "4?", { ...open, reasoning: 3 });
    expect(thought.prompt.text.endsWith("[assistant]<think>")).toBe(true);
    expect(thought.prompt.tokens).toEqual([...model.tokenize(thought.prompt.text)]);
    expect(thought.thoughts?.tokens).toBeLessThanOrEqual(3);
    for (const reasoning of ["off", undefined] as const) {
      const given = { ...open, ...(reasoning && { reasoning }) };
      const { prompt, text, tokens, thoughts } = await sample(model, "4?", given);
      expect(prompt.text.endsWith("[assistant]")).toBe(true);
      expect(thoughts).toBeUndefined();
      expect(text).toBe(model.detokenize(Int32Array.from(tokens)));
      expect(text).toMatch(/^ ?[01]!$/);
    }
    expect(thought.text).toMatch(/^ ?[01]!$/);
  });

  test("a proposal's rollouts have ratios of mean 1, the forced tag in neither", async () => {
    const proposal = new TableModel(hashedTable(8));
    const { steps } = await etsIs(model, "4?", {
      ...options,
      proposal,
      reward: () => 0,
      candidates: 1,
      rollouts: 100,
      temperature: 50,
      blockTokens: 1,
      proposalSampling: { temperature: 50 },
      shortcuts: { duplicates: false },
    });
    const ratios = (steps[0]?.candidates[0]?.completions ?? []).map((completion) => {
      return Math.exp(completion.logRatio);
    });
    expect(ratios).toHaveLength(100);
    expect(Math.abs(meanZ(ratios, 1))).toBeLessThan(MAX_Z);
    // A tag that each of the models counts as its own would be in the ratio.
    const twin = ratios.map((ratio) => ratio * Math.exp(0.5));
    expect(Math.abs(meanZ(twin, 1))).toBeGreaterThan(MAX_Z);
  });

  test("blocks, moves and searches end thoughts at the same token", async () => {
    const reward = ({ text }: { text: string }) => Number(text.startsWith("2"));
    const guided = { ...options, candidates: 3, rollouts: 2, reward, blockTokens: 3 };
    const results = [
      await ets(model, "4?", guided),
      await ets(model, "4?", { ...guided, blockTokens: 1, finish: "resample" }),
      await power(model, "4?", { ...options, blockTokens: 3, moves: 8, alpha: 2 }),
      await beam(model, "4?", { ...options, candidates: 4 }),
      await sample(model, "4?", options),
    ];
    for (const { text, tokens, reasoning, thoughts, logProbs } of results) {
      const written = model.detokenize(Int32Array.from(tokens));
      expect(written).toMatch(/^[012]{2}<\/think>[012]{2}$/);
      expect(text).toBe(written.slice(-ANSWER));
      expect(reasoning).toBe(written.slice(0, BUDGET));
      expect(thoughts?.forced).toHaveLength(CLOSING.length);
      expect(logProbs.slice(BUDGET, -ANSWER)).toEqual(Array.from(CLOSING, () => 0));
    }
  });

  test('of `end: "stop"` texts end there, without an answer', async () => {
    const reasoning = { budget: BUDGET, end: "stop" } as const;
    const result = await sample(model, "4?", { ...options, reasoning });
    expect(result).toMatchObject({ text: "", answer: null, stopReason: "length" });
    expect(result.tokens).toHaveLength(BUDGET);
    expect(result.thoughts).toMatchObject({ ended: "budget", isOpen: true, forced: [] });
  });
});

describe("thoughts", () => {
  test("hold no stop strings and give no answers", async () => {
    const stopped = { ...options, stop: ["0", "1", "2"] };
    const { text, tokens, stopReason } = await sample(model, "4?", stopped);
    expect({ text, stopReason }).toEqual({ text: "", stopReason: "stop" });
    expect(tokens).toHaveLength(BUDGET + CLOSING.length + 1);
    const extract = (answer: string) => answer;
    const { steps } = await ets(model, "4?", { ...options, extract, blockTokens: 12 });
    const completions = textsOf({ steps }).flatMap((candidate) => candidate.completions);
    expect(completions).not.toHaveLength(0);
    for (const { text, answer } of completions) {
      expect(text).toHaveLength(ANSWER);
      expect(answer).toBe(text);
    }
  });

  test("that repeat themselves are closed; without being asked for, they are left alone", async () => {
    const looping = { ...options, allowedTokens: [...model.tokenize("0")], maxTokens: 100 };
    const { reasoning, thoughts, text } = await sample(model, "4?", {
      ...looping,
      reasoning: "auto",
    });
    expect(reasoning).toBe("0".repeat(64));
    expect(thoughts).toMatchObject({ ended: "loop", tokens: 64 });
    expect(text).toBe("0".repeat(100 - 64 - CLOSING.length));
    const { reasoning: _, ...unasked } = looping;
    const free = await sample(model, "4?", unasked);
    expect(free.thoughts).toMatchObject({ tokens: 100, isOpen: true, ended: null });
    expect(free.text).toBe("");
    expect(free.warnings).toEqual([expect.stringContaining("All 100 tokens went into thoughts")]);
    const stopped = await sample(model, "4?", {
      ...unasked,
      maxTokens: 8,
      reasoning: { budget: 8, end: "stop" },
    });
    expect(stopped.warnings).toEqual([]);
  });

  test("off, where the template has no switch, are closed at once, which is said", async () => {
    const { tokens, text, warnings, reasoning } = await sample(model, "4?", {
      ...options,
      reasoning: "off",
    });
    expect(model.detokenize(Int32Array.from(tokens)).startsWith(CLOSING)).toBe(true);
    expect(text).toMatch(/^[012]+$/);
    expect(reasoning).toBe("");
    expect(warnings).toEqual([expect.stringContaining("no switch for thinking")]);
  });

  test("of a template without any are said to stay in the text", async () => {
    const chatTemplate = "{{ messages[-1].content }}";
    const { warnings, thoughts } = await sample(model, "4?", { ...options, chatTemplate });
    expect(thoughts).toBeUndefined();
    expect(warnings).toEqual([expect.stringContaining("without a budget")]);
  });
});
