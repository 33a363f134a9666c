/** Reasoning as chat templates have it: tags, switches, and prompts that end inside a thought. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Reasoning,
  resolveReasoning,
  switchesIn,
  templateSwitches,
} from "../../src/engine/chat/reasoning.js";
import { renderConversation } from "../../src/engine/chat/render.js";
import { endsInsideThought } from "../../src/engine/chat/template-thoughts.js";
import { describeTemplate } from "../../src/engine/text/text-requests.js";
import { LOOP_TOKENS, ThoughtReader, type ThoughtRules } from "../../src/engine/thoughts.js";
import { CharacterVocabulary } from "../fixtures/table-engine/vocabulary.js";
import { chatTemplates, hasSource } from "../fixtures/vocabularies.js";

const vocabulary = new CharacterVocabulary();
const RULES: ThoughtRules = {
  start: "<think>",
  ends: ["</think>"],
  opensAnywhere: false,
  beginsInside: false,
  budget: null,
  cutsLoops: true,
  stops: false,
  closing: vocabulary.tokenize("</think>"),
};

function read(text: string, rules: Partial<ThoughtRules> = {}): ThoughtReader {
  const reader = new ThoughtReader(vocabulary, { ...RULES, ...rules });
  for (const token of vocabulary.tokenize(text)) reader.add(token);
  return reader;
}

const parts = (text: string, rules?: Partial<ThoughtRules>) => {
  const { answer, thoughts, spent, isOpen } = read(text, rules).text();
  return { answer: answer.toString(), thoughts, spent, isOpen };
};

describe("thoughts and answer", () => {
  test("are told apart by the tags", () => {
    const text = "<think>\nWell.\n</think>\n\nYes.";
    expect(parts(text)).toMatchObject({ answer: "Yes.", thoughts: "Well.", isOpen: false });
    expect(parts("Yes.")).toMatchObject({ answer: "Yes.", thoughts: null, spent: 0 });
    expect(parts("<think>Well")).toMatchObject({ answer: "", thoughts: "Well", isOpen: true });
    expect(parts("Well</think>Yes", { beginsInside: true })).toMatchObject({
      answer: "Yes",
      thoughts: "Well",
    });
  });

  test("leave a constrained answer all that follows the tag, blanks and tags too", () => {
    const rules = { beginsInside: true, isConstrained: true };
    expect(parts("a</think> \n<think>b", rules)).toMatchObject({
      answer: " \n<think>b",
      thoughts: "a",
      isOpen: false,
    });
    const closed = { ...rules, budget: 1, closing: vocabulary.tokenize("</think>\n\n") };
    expect(read("a</think>\n", closed)).toMatchObject({ place: "answer", isInAnswer: false });
    expect(read("a</think>\n\n", closed).isInAnswer).toBe(true);
    expect(parts("a</think>\n\n\nb", closed)).toMatchObject({ answer: "\nb" });
  });

  test("begin where the text does, unless a special token opens them", () => {
    const text = "Write <think>x</think>.";
    expect(parts(text)).toMatchObject({ answer: text, thoughts: null });
    const anywhere = { opensAnywhere: true };
    expect(parts(text, anywhere)).toMatchObject({ answer: "Write .", thoughts: "x" });
    expect(read(" ").place).toBe("before");
    expect(read("<thin").place).toBe("before");
    expect(read("<this").place).toBe("answer");
  });

  test("are told apart at ends that begin a call, and in harmony's channels", () => {
    const ends = ["</think>", "<tool_call>"];
    const called = parts("<think>a<tool_call>{}", { ends });
    expect(called).toMatchObject({ answer: "<tool_call>{}", thoughts: "a" });
    const channel = { start: "<|channel|>analysis<|message|>", ends: ["<|end|>"] };
    const text =
      "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>Yes";
    expect(parts(text, { ...channel, opensAnywhere: true })).toMatchObject({
      answer: "Yes",
      thoughts: "hm",
    });
  });
});

describe("what is certain of a text that goes on", () => {
  const tag = fc.constantFrom(
    "<think>",
    "</think>",
    "<think",
    "</t",
    "<",
    " ",
    "\n",
    "a",
    "b7",
    ".",
  );
  const text = fc.array(tag, { maxLength: 12 }).map((pieces) => pieces.join(""));

  test.each<[string, Partial<ThoughtRules>]>([
    ["", {}],
    [" anywhere", { opensAnywhere: true }],
    [" inside", { beginsInside: true }],
    [" inside, with a budget", { beginsInside: true, budget: 3, opensAnywhere: true }],
  ])("is the beginning of what it becomes%s", (_, more) => {
    fc.assert(
      fc.property(text, (whole) => {
        const end = read(whole, more).text();
        for (let length = 0; length <= whole.length; length++) {
          const { answer, thoughts } = read(whole.slice(0, length), more).certain();
          expect(end.answer.toString().startsWith(answer.toString())).toBe(true);
          expect((end.thoughts ?? "").startsWith(thoughts ?? "")).toBe(true);
        }
      }),
      { numRuns: 100 },
    );
  });

  test("is all but a tag that may have begun", () => {
    const certain = (text: string, rules?: Partial<ThoughtRules>) => {
      const { answer, thoughts } = read(text, rules).certain();
      return { answer: answer.toString(), thoughts };
    };
    expect(certain("<thi")).toEqual({ answer: "", thoughts: null });
    expect(parts("<thi").answer).toBe("<thi");
    expect(certain("<think>Well</th")).toEqual({ answer: "", thoughts: "Well" });
    expect(certain("<think>Well</think>\nYes <")).toEqual({ answer: "Yes <", thoughts: "Well" });
    expect(certain("Yes <thin", { opensAnywhere: true })).toEqual({
      answer: "Yes ",
      thoughts: null,
    });
  });
});

describe("a budget", () => {
  test("forces the closing tag behind its last token, and nothing else", () => {
    const rules = { budget: 3, beginsInside: true };
    const tag = [...vocabulary.tokenize("</think>")];
    expect(read("ab", rules).forced).toBeNull();
    for (let written = 0; written < tag.length; written++) {
      expect(read(`abc${"</think>".slice(0, written)}`, rules).forced).toBe(tag[written]);
    }
    const closed = read("abc</think>", rules);
    expect(closed.forced).toBeNull();
    expect(closed.text()).toMatchObject({ spent: 3, ended: "budget", thoughts: "abc" });
    // What the policy can't draw forces nothing more than what it can.
    expect(read("abcx", rules).forced).toBe(tag[0]);
    expect(read("abc", { ...rules, stops: true })).toMatchObject({ forced: null, stops: true });
  });

  test("of several thoughts is one", () => {
    const rules = { budget: 3, opensAnywhere: true, ends: ["}"], closing: Int32Array.of(95) };
    expect(read("<think>ab}x<think>", rules).forced).toBeNull();
    expect(read("<think>ab}x<think>c", rules).forced).toBe(95);
    expect(read("<think>ab}x<think>c", rules).text().spent).toBe(3);
  });
});

describe("a loop", () => {
  const inThought = { beginsInside: true };
  const firstForced = (text: string, rules = {}) => {
    const reader = new ThoughtReader(vocabulary, { ...RULES, ...inThought, ...rules });
    return [...vocabulary.tokenize(text)].findIndex((token) => {
      reader.add(token);
      return reader.forced !== null;
    });
  };

  test.each([1, 3, 16, 40, 128])("of %i tokens is closed once it fills its room", (window) => {
    const once = Array.from({ length: window }, (_, i) =>
      String.fromCharCode(33 + ((i * i * 7 + i) % 90)),
    ).join("");
    const room = Math.max(LOOP_TOKENS, 4 * window);
    expect(firstForced(`~begun: ${once.repeat(70)}`)).toBe("~begun: ".length + room - 1);
  });

  test("is none in an answer, one token short, or longer than the longest window", () => {
    expect(firstForced(`x</think>${"a".repeat(500)}`)).toBe(-1);
    expect(firstForced(`${"a".repeat(LOOP_TOKENS - 1)}b`)).toBe(-1);
    expect(firstForced("a".repeat(500), { cutsLoops: false })).toBe(-1);
    const long = Array.from({ length: 129 }, (_, i) => String.fromCharCode(33 + ((i * i) % 93)));
    expect(firstForced(long.join("").repeat(6))).toBe(-1);
  });
});

describe("the option", () => {
  test.each<[unknown, Partial<Reasoning>]>([
    ["auto", { effort: "auto", budget: null }],
    ["off", { effort: "off", budget: 0 }],
    [128, { effort: "auto", budget: 128, end: "close" }],
    ["128", { budget: 128 }],
    [
      { budget: 5, end: "stop", show: true },
      { budget: 5, end: "stop", show: true },
    ],
  ])("is %j", (option, resolved) => {
    expect(resolveReasoning(option as "auto")).toMatchObject(resolved);
  });

  test.each([
    -1,
    1.5,
    Number.NaN,
    "much",
    "",
    null,
    [],
    { budget: -1 },
    { budget: 0, end: "stop" },
  ])("is refused as %j", (option) => {
    expect(() => resolveReasoning(option as unknown as "auto")).toThrow(/reasoning/);
  });

  test.each([{ effort: "off", budget: 3 }, { effort: "off", end: "stop" }, { x: 1 }])(
    "is refused as %j, too",
    (option) => {
      expect(() => resolveReasoning(option as unknown as "auto")).toThrow(/reasoning/);
    },
  );
});

describe.skipIf(!hasSource)("templates", () => {
  const messages = [{ role: "user" as const, content: "Hello" }];
  const rendered = async (template: string, reasoning: Reasoning) => {
    const variables = templateSwitches(template, reasoning);
    const settings = { template, variables, bos: "<s>", eos: "</s>" };
    return (await renderConversation({ messages, tools: [] }, settings)).text;
  };

  // All of the collection are in test/study/reasoning-templates.study.ts.
  test.each<[name: string, whenOn: boolean, whenOff: boolean]>([
    ["deepseek-ai-DeepSeek-R1-Distill-Llama-8B", true, true],
    ["Apriel-1.6-15b-Thinker-fixed", true, true],
    ["Qwen-Qwen3-0.6B", false, false],
    ["Qwen3.5-4B", true, false],
    ["deepseek-ai-DeepSeek-V3.1", true, false],
    ["openai-gpt-oss-120b", false, false],
  ])("of %s: prompts end inside a thought when on: %s, when off: %s", async (name, ...wanted) => {
    const template = chatTemplates().get(name) as string;
    const use = { template, bos: "<s>", eos: "</s>", messages, tools: [], thinking: true };
    const description = await describeTemplate(use);
    for (const [i, effort] of (["auto", "off"] as const).entries()) {
      const text = await rendered(template, resolveReasoning(effort));
      expect(endsInsideThought(description, { text, prefill: "" })).toBe(wanted[i]);
      const { thoughtStart, thoughtEnds } = description;
      const begun = { text, prefill: `${thoughtStart}So` };
      expect(endsInsideThought(description, begun)).toBe(true);
      const closed = { text, prefill: `${thoughtStart}So${thoughtEnds[0]}` };
      expect(endsInsideThought(description, closed)).toBe(false);
    }
  });

  test("have switches of other names than enable_thinking", () => {
    const others = [...chatTemplates()].flatMap(([name, template]) => {
      const names = switchesIn(template).filter((one) => one !== "enable_thinking");
      return names.length > 0 ? [`${name}: ${names.join(", ")}`] : [];
    });
    expect(others).toMatchInlineSnapshot(`
      [
        "ByteDance-Seed-OSS: thinking_budget",
        "Cohere2MoE: reasoning_effort",
        "Kimi-K3: thinking, thinking_effort",
        "MiniMax-M3: thinking_mode",
        "deepseek-ai-DeepSeek-V3.1: thinking",
        "deepseek-ai-DeepSeek-V3.2: thinking",
        "deepseek-ai-DeepSeek-V4-Flash-0731: thinking, reasoning_effort",
        "deepseek-ai-DeepSeek-V4: thinking, reasoning_effort",
        "ibm-granite-granite-3.3-2B-Instruct: thinking",
        "inclusionai-ling-3.0-flash: thinking_option",
        "muse-glimmer: reasoning_strength",
        "openai-gpt-oss-120b: reasoning_effort",
        "tencent-Hy3: reasoning_effort",
        "upstage-Solar-Open-100B: reasoning_effort",
      ]
    `);
  });
});
