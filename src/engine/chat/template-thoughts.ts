/** The thoughts of a prompt's answers, as llama.cpp knows the template. */
import { LlamaEtsError } from "../errors.js";
import { describeTemplate, type TemplateDescription } from "../text/text-requests.js";
import type { Vocabulary } from "../vocabulary.js";
import type { Chat, EncodedPrompt } from "./conversation.js";
import {
  hasEfforts,
  type Reasoning,
  templateSwitches,
  thoughtRulesOf,
  withBudget,
} from "./reasoning.js";
import { isSource, renderConversation } from "./render.js";

/** Descriptions that were asked for, by the template and its switch. */
const known = new Map<string, Promise<TemplateDescription | null>>();
const MAX_KNOWN = 64;

/**
 * @param text the rendered prompt, without what the answer was given to begin with
 */
export async function readReasoning(
  vocabulary: Vocabulary,
  chat: Chat,
  text: string,
  asked: Reasoning | null,
): Promise<Pick<EncodedPrompt, "thoughts" | "notes">> {
  const { template } = chat.settings;
  const reasoning = asked && withBudget(asked, template);
  const description = await descriptionOf(chat);
  const rules =
    description &&
    thoughtRulesOf(vocabulary, description, { text, prefill: chat.prefill }, reasoning);
  if (rules === null) {
    const isOff = asked === null || asked.effort === "off" || asked.effort === "auto";
    const note =
      "The chat template has no thoughts that llama.cpp knows the tags of: they stay in the text, without a budget";
    return { thoughts: null, notes: isOff && !asked?.budget ? [] : [note] };
  }
  return { thoughts: rules, notes: asked === null ? [] : await notesOf(chat, text, asked) };
}

async function notesOf(chat: Chat, text: string, asked: Reasoning): Promise<string[]> {
  const { template } = chat.settings;
  const { effort, budget } = asked;
  if (effort === "off") {
    const variables = templateSwitches(template, { ...asked, effort: "auto" });
    const on = await renderConversation(chat, { ...chat.settings, variables });
    if (on.text !== text) return [];
    return ["The chat template has no switch for thinking: thoughts are closed at once"];
  }
  if ((effort !== "low" && effort !== "high") || hasEfforts(template)) return [];
  const instead =
    effort === "low" && budget === null
      ? "`low` is a budget of 512 tokens"
      : `\`${effort}\` only leaves thinking on`;
  return [`The chat template knows no efforts: ${instead}`];
}

/** Null for a template that llama.cpp can't describe, or where its library can't be had. */
function descriptionOf({ settings }: Chat): Promise<TemplateDescription | null> {
  const { template, bos, eos, variables } = settings;
  if (!isSource(template)) return Promise.resolve(null);
  const thinking = variables.enable_thinking === true;
  const key = JSON.stringify([template, bos, eos, thinking]);
  let description = known.get(key);
  if (description === undefined) {
    const messages = [{ role: "user", content: "Hello" }];
    description = describeTemplate({ template, bos, eos, messages, tools: [], thinking }).catch(
      (error: unknown) => {
        if (error instanceof LlamaEtsError) return null;
        throw error;
      },
    );
    if (known.size >= MAX_KNOWN) known.clear();
    known.set(key, description);
  }
  return description;
}
