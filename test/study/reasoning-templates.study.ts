/** Which of llama.cpp's 70 chat templates think, by which tags, and where their prompts end. */
import { expect, test } from "vitest";
import {
  type Reasoning,
  resolveReasoning,
  templateSwitches,
} from "../../src/engine/chat/reasoning.js";
import { renderConversation } from "../../src/engine/chat/render.js";
import { endsInsideThought } from "../../src/engine/chat/template-thoughts.js";
import { describeTemplate } from "../../src/engine/text/text-requests.js";
import { sample } from "../../src/methods/sample.js";
import { useModel } from "../fixtures/models.js";
import { chatTemplates, hasSource } from "../fixtures/vocabularies.js";

const messages = [{ role: "user" as const, content: "Hello" }];
const on = resolveReasoning("auto");
const off = resolveReasoning("off");
const rendered = async (template: string, reasoning: Reasoning) => {
  const variables = templateSwitches(template, reasoning);
  const settings = { template, variables, bos: "<s>", eos: "</s>" };
  return (await renderConversation({ messages, tools: [] }, settings)).text;
};

test.skipIf(!hasSource)(
  "46 of the collection think: by these tags, switches and ends of prompts",
  async () => {
    const tags = new Map<string, number>();
    const switched: string[] = [];
    const inside: string[] = [];
    const insideWhenOff: string[] = [];
    for (const [name, template] of chatTemplates()) {
      const use = { template, bos: "<s>", eos: "</s>", messages, tools: [], thinking: true };
      const description = await describeTemplate(use);
      if (!description.thinks) continue;
      const { thoughtStart } = description;
      tags.set(thoughtStart, (tags.get(thoughtStart) ?? 0) + 1);
      const texts = { on: await rendered(template, on), off: await rendered(template, off) };
      if (texts.on !== texts.off) switched.push(name);
      const ends = (text: string) => endsInsideThought(description, { text, prefill: "" });
      if (ends(texts.on)) inside.push(name);
      if (ends(texts.off)) insideWhenOff.push(name);
    }
    expect(Object.fromEntries(tags)).toMatchInlineSnapshot(`
      {
        "": 1,
        "<mm:think>": 1,
        "<seed:think>": 1,
        "<think:opensource>": 1,
        "<think>": 33,
        "<|START_THINKING|>": 2,
        "<|begin_assistant|>": 1,
        "<|channel>thought": 2,
        "<|channel|>analysis<|message|>": 1,
        "<|open|>think<|sep|>": 1,
        "[THINK]": 2,
      }
    `);
    expect(switched.length).toMatchInlineSnapshot(`30`);
    expect(inside.length).toMatchInlineSnapshot(`28`);
    expect(insideWhenOff).toMatchInlineSnapshot(`
      [
        "Apriel-1.6-15b-Thinker-fixed",
        "MiniMax-M2",
        "NVIDIA-Nemotron-Nano-v2",
        "StepFun3.5-Flash",
        "deepseek-ai-DeepSeek-R1-Distill-Llama-8B",
        "llama-cpp-deepseek-r1",
      ]
    `);
  },
);

const model = useModel();

test.skipIf(!hasSource)("a budget is kept to the token under Qwen3's own template", async () => {
  const chatTemplate = chatTemplates().get("Qwen3.5-4B") as string;
  const allowedTokens = [...model().tokenize("0123456789")].slice(-10);
  const given = { chatTemplate, allowedTokens, maxTokens: 60, reasoning: 7 };
  const { thoughts, tokens, text } = await sample(model(), "Hi", given);
  expect(thoughts).toMatchObject({ tokens: 7, ended: "budget", isOpen: false });
  expect(text).toHaveLength(60 - 7 - (thoughts?.forced.length ?? 0));
  expect(tokens).toHaveLength(60);
});
