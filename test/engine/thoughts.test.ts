/**
 * Thoughts that llama.cpp's engine draws, with random weights and a template like Qwen3's: what holds for each
 * draw, whatever its logits. The engine in C++ and the reader in TypeScript agree on every token.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { LocalModel } from "../../src/engine/local/model.js";
import { LOOP_TOKENS } from "../../src/engine/thoughts.js";
import { beam } from "../../src/methods/beam.js";
import { ets } from "../../src/methods/ets.js";
import { particle } from "../../src/methods/particle.js";
import { power } from "../../src/methods/power.js";
import { sample } from "../../src/methods/sample.js";
import { text, u32, writeGguf } from "../fixtures/gguf-writer.js";
import { loadLocal } from "../fixtures/models.js";
import { temporary } from "../fixtures/temporary-directory.js";
import { tinyQwen3 } from "../fixtures/tiny-models.js";

/** Prompts end as those of Qwen3 do. */
const TEMPLATE = `{% for m in messages %}<|im_start|>{{ m.role }}
{% if m.reasoning_content %}<think>
{{ m.reasoning_content }}
</think>

{% endif %}{{ m.content }}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% if enable_thinking is defined and enable_thinking is false %}<think>

</think>

{% else %}<think>
{% endif %}{% endif %}`;

describe("a model whose prompts end inside a thought", () => {
  let model: LocalModel;
  let letters: number[];
  let tag: number[];
  beforeAll(async () => {
    const file = temporary("thinker.gguf");
    const { metadata, tensors } = tinyQwen3();
    metadata.set("tokenizer.chat_template", text(TEMPLATE));
    metadata.set("qwen3.context_length", u32(1024));
    writeGguf(file, { metadata, tensors });
    model = await loadLocal(file, { gpu: false });
    letters = [...model.tokenize("0123456789")].slice(-10);
    tag = [...model.tokenize("</think>", { special: true })];
  });
  afterAll(() => model?.dispose());

  const options = () => ({ allowedTokens: letters, temperature: 1, maxTokens: 60 });

  test("thinks as long as its budget says, to the token, however it is drawn", async () => {
    for (const budget of [0, 1, 7]) {
      const given = { ...options(), reasoning: budget };
      const guided = { ...given, candidates: 3, rollouts: 2, blockTokens: 5 };
      const results = [
        await sample(model, "Hi", given),
        await ets(model, "Hi", { ...guided, reward: ({ text }) => text.length / 100 }),
        await power(model, "Hi", { ...given, moves: 4, blockTokens: 20 }),
      ];
      for (const { tokens, thoughts, text, reasoning, logProbs } of results) {
        expect(tokens.slice(budget, budget + tag.length)).toEqual(tag);
        expect(thoughts).toMatchObject({ tokens: budget, ended: "budget", isOpen: false });
        expect(reasoning).toBe(model.detokenize(Int32Array.from(tokens.slice(0, budget))).trim());
        expect(reasoning).toMatch(/^\d*$/);
        expect(text).toMatch(/^\d+$/);
        expect(text).toHaveLength(60 - budget - tag.length);
        expect(logProbs.slice(budget, budget + tag.length)).toEqual(tag.map(() => 0));
        expect(logProbs.every((logProb) => logProb > Number.NEGATIVE_INFINITY)).toBe(true);
      }
    }
  });

  test("answers as a constraint says behind its thoughts, which it leaves free", async () => {
    const constraint = { regex: "[0-4]{3,6}!?" };
    for (const budget of [0, 5]) {
      // No end token comes in thoughts: some of the letters are such.
      const given = { temperature: 1, maxTokens: 40, constraint, reasoning: budget };
      const guided = { ...given, candidates: 4, blockTokens: 2 };
      const results = [
        await sample(model, "Hi", given),
        await particle(model, "Hi", guided),
        await ets(model, "Hi", { ...guided, reward: ({ text }) => text.length / 100 }),
        await power(model, "Hi", { ...given, moves: 4, blockTokens: 9 }),
      ];
      for (const { tokens, thoughts, text, constraintLogMass, stopReason } of results) {
        expect(tokens.slice(budget, budget + tag.length)).toEqual(tag);
        expect(thoughts).toMatchObject({ tokens: budget, ended: "budget" });
        expect({ text, stopReason }).toEqual({
          text: expect.stringMatching(/^[0-4]{3,6}!?$/),
          stopReason: "end",
        });
        expect(constraintLogMass).toBeLessThan(0);
        expect(constraintLogMass).toBeGreaterThan(Number.NEGATIVE_INFINITY);
      }
    }
  });

  test("refuses a constraint behind thoughts where texts are scored or searched", async () => {
    const constraint = { words: 2 };
    const refused = {
      code: "ERR_INVALID_OPTION",
      message: expect.stringMatching(/behind thoughts/),
    };
    const thinking = { reasoning: 5 };
    await expect(beam(model, "Hi", { constraint, ...thinking })).rejects.toMatchObject(refused);
    await expect(model.score("Hi", [[1]], { constraint }, thinking)).rejects.toMatchObject(refused);
    // Without thoughts the constraint begins with the text.
    const { text } = await beam(model, "Hi", {
      constraint: { choices: ["7", "8"] },
      candidates: 2,
    });
    expect(text).toMatch(/^[78]$/);
  });

  test("stops at its budget, where it is told to", async () => {
    const reasoning = { budget: 9, end: "stop" } as const;
    const { tokens, text, stopReason } = await sample(model, "Hi", { ...options(), reasoning });
    expect(tokens).toHaveLength(9);
    expect({ text, stopReason }).toEqual({ text: "", stopReason: "length" });
  });

  test("has no loop beyond its window", async () => {
    const once = { ...options(), allowedTokens: letters.slice(0, 1), maxTokens: 120 };
    const { thoughts, tokens } = await sample(model, "Hi", { ...once, reasoning: "auto" });
    expect(thoughts).toMatchObject({ tokens: LOOP_TOKENS, ended: "loop", isOpen: false });
    expect(tokens.slice(LOOP_TOKENS, LOOP_TOKENS + tag.length)).toEqual(tag);
    expect(tokens).toHaveLength(120);
  });

  test("stops at strings of its answer alone", async () => {
    const stop = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
    const given = { ...options(), stop, reasoning: 12 };
    const { text, tokens, stopReason } = await sample(model, "Hi", given);
    expect({ text, stopReason }).toEqual({ text: "", stopReason: "stop" });
    expect(tokens).toHaveLength(12 + tag.length + 1);
  });

  test("doesn't think where the template's switch is off", async () => {
    const { thoughts, reasoning, warnings } = await sample(model, "Hi", options());
    expect({ thoughts, reasoning, warnings }).toEqual({ warnings: [] });
    const off = await sample(model, "Hi", { ...options(), reasoning: "off" });
    expect(off).toMatchObject({ warnings: [], settings: { reasoning: { effort: "off" } } });
  });
});
