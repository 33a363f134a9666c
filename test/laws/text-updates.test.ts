/** What is told of a text while it comes: the pieces that are final make up the result's text. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { METHOD_NAMES, METHODS, type MethodOptions } from "../../src/methods/registry.js";
import { TextStream, type TextUpdate } from "../../src/methods/run/text-stream.js";
import { extractAnswer, settledAnswer } from "../../src/rewards/answer.js";
import { exactMatch } from "../../src/rewards/verifier.js";
import { TableModel } from "../fixtures/table-engine/model.js";
import { hashedTable } from "../fixtures/table-engine/tables.js";

const model = new TableModel(hashedTable(5));
const small = { raw: true, maxTokens: 8, blockTokens: 2, candidates: 3, temperature: 4 };

/** Its prompts end inside a thought. */
const THINKING =
  "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% if m.reasoning_content %}<think>{{ m.reasoning_content }}</think>{% endif %}\n{% endfor %}{% if add_generation_prompt %}[assistant]<think>{% endif %}";

async function updatesOf(name: (typeof METHOD_NAMES)[number], options: MethodOptions) {
  const updates: TextUpdate[] = [];
  const { temperature: _, ...greedy } = options;
  const { proposal } = METHODS[name];
  const result = await METHODS[name](model, "q", {
    ...(name === "greedy" ? greedy : options),
    ...(proposal && { proposal: new TableModel(hashedTable(6)) }),
    onText: (update) => updates.push(update),
  });
  return { updates, result };
}

const committed = (updates: readonly TextUpdate[]) => updates.map((u) => u.committed).join("");

describe.each(METHOD_NAMES)("%s", (name) => {
  test.each<[string, MethodOptions]>([
    ["", {}],
    [", with stop strings", { stop: ["1", "23", "7 "] }],
    [", under a budget", { budget: { tokens: 9 } }],
    [", best", { finish: "best", reward: exactMatch("3") }],
    [", rewarded", { reward: exactMatch("3"), lambda: 1 }],
  ])("commits the result's text, piece by piece%s", async (_, options) => {
    const takesReward = METHODS[name].guidance.includes("reward");
    const { reward, ...others } = options;
    for (let seed = 0; seed < 2; seed++) {
      const given = { ...small, ...others, ...(takesReward && reward && { reward }), seed };
      const { updates, result } = await updatesOf(name, given);
      expect(committed(updates)).toBe(result.text);
    }
  });

  test("tells thoughts apart", async () => {
    const takesReward = METHODS[name].guidance.includes("reward");
    const options = {
      ...small,
      raw: false,
      chatTemplate: THINKING,
      reasoning: 2,
      maxTokens: 14,
      allowedTokens: [...model.tokenize("012 ")],
      ...(takesReward && { reward: () => 0 }),
    };
    for (let seed = 0; seed < 2; seed++) {
      const { updates, result } = await updatesOf(name, { ...options, seed });
      expect(committed(updates)).toBe(result.text);
      expect(result.text).not.toContain("<");
      expect(updates.map(({ thoughts = "" }) => thoughts).join("")).toBe(result.reasoning);
    }
  });
});

test("ets commits the chosen blocks before its end", async () => {
  const pieces: number[] = [];
  for (let seed = 0; seed < 6; seed++) {
    const { updates } = await updatesOf("ets", { ...small, seed });
    pieces.push(updates.filter((update) => update.committed !== "").length);
  }
  expect(Math.max(...pieces)).toBeGreaterThan(1);
});

test("a text that another replaces is told of as a draft alone", async () => {
  const { updates } = await updatesOf("ets", { ...small, finish: "best" });
  expect(updates.slice(0, -1).every((update) => update.committed === "")).toBe(true);
  expect(updates.some((update) => update.draft !== "")).toBe(true);
});

test("a text that a budget cut off answers what nothing that follows can change", () => {
  expect(settledAnswer("She sold 12 and then 3", extractAnswer)).toBeNull();
  expect(settledAnswer("She sold 12 and then", extractAnswer)).toBeNull();
  expect(settledAnswer("#### 1", extractAnswer)).toBeNull();
  expect(settledAnswer("#### 18\nThe", extractAnswer)).toBe("18");
  expect(settledAnswer("so \\boxed{18} and 3", extractAnswer)).toBe("18");
  expect(settledAnswer("", extractAnswer)).toBeNull();
});

/** The text of the first bytes, as an engine that knows no more has it. */
const textOf = (bytes: Uint8Array, length: number) =>
  Buffer.from(bytes).toString("utf8", 0, length);

describe("a text of any bytes, with any stop strings", () => {
  const anyText = fc.oneof(
    fc.string({ unit: "grapheme", maxLength: 24 }).map((text) => Buffer.from(text)),
    fc.uint8Array({ maxLength: 24 }),
    fc
      .string({ unit: fc.constantFrom("a", "b", "é", "🙂"), maxLength: 24 })
      .map((t) => Buffer.from(t)),
  );
  const stops = fc.array(
    fc.string({ unit: fc.constantFrom("a", "b", "é", "🙂"), minLength: 1, maxLength: 4 }),
    { maxLength: 3 },
  );
  const cutAt = (text: string, strings: readonly string[]) =>
    text.slice(
      0,
      Math.min(text.length, ...strings.map((s) => text.indexOf(s)).filter((at) => at >= 0)),
    );

  /** What is committed while the bytes come one by one, and then at the end. */
  function stream(bytes: Uint8Array, strings: readonly string[]): string[] {
    const pieces: string[] = [];
    const text = new TextStream(({ committed }) => pieces.push(committed), strings);
    for (let length = 1; length <= bytes.length; length++) {
      const soFar = textOf(bytes, length);
      text.commit(soFar);
      if (cutAt(soFar, strings) !== soFar) break;
    }
    text.end(cutAt(textOf(bytes, bytes.length), strings));
    return pieces;
  }

  test("is committed as it ends, and never a half character", () => {
    fc.assert(
      fc.property(anyText, stops, (bytes, strings) => {
        const pieces = stream(bytes, strings);
        expect(pieces.join("")).toBe(cutAt(textOf(bytes, bytes.length), strings));
        for (const piece of pieces) expect(piece).not.toMatch(/\p{Surrogate}/u);
      }),
      { numRuns: 500 },
    );
  });

  test("is committed at once where no stop string can have begun", () => {
    const pieces = stream(Buffer.from("a🙂bé"), ["xy"]);
    expect(pieces).toEqual(["a", "🙂", "b", "é"]);
  });
});
