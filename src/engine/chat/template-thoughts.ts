/** The thoughts of a prompt's answers, as llama.cpp knows the template. */
import { LlamaEtsError } from "../errors.js";
import { describeTemplate, type TemplateDescription } from "../text/text-requests.js";
import { isChannel, type ThoughtRules } from "../thoughts.js";
import type { Vocabulary } from "../vocabulary.js";
import type { Chat, EncodedPrompt } from "./conversation.js";
import { hasEfforts, type Reasoning, templateSwitches, withBudget } from "./reasoning.js";
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

/** A template's answer as it is about to begin. */
interface PromptEnd {
  /** The rendered text, without what the answer was given to begin with. */
  text: string;
  prefill: string;
}

/** Whether a prompt ends inside a thought, as those of R1-like templates do. */
export function endsInsideThought(
  { thoughtStart, thoughtEnds, generationPrompt }: TemplateDescription,
  { text, prefill }: PromptEnd,
): boolean {
  if (thoughtStart === "") return false;
  const opens =
    text.trimEnd().endsWith(thoughtStart.trimEnd()) ||
    (generationPrompt !== "" &&
      text.endsWith(generationPrompt) &&
      isOpenAtEnd(generationPrompt, thoughtStart, thoughtEnds));
  const begun = opens ? thoughtStart + prefill : prefill;
  return isOpenAtEnd(begun, thoughtStart, thoughtEnds);
}

function isOpenAtEnd(text: string, start: string, ends: readonly string[]): boolean {
  const opened = text.lastIndexOf(start);
  return opened >= 0 && ends.every((end) => text.indexOf(end, opened + start.length) < 0);
}

/** How the answers of a prompt are read, and what is to be said of it; null: it has no thoughts. */
function thoughtRulesOf(
  vocabulary: Vocabulary,
  description: TemplateDescription,
  prompt: PromptEnd,
  reasoning: Reasoning | null,
): ThoughtRules | null {
  const { thoughtStart: start, thoughtEnds: ends } = description;
  const [end] = ends;
  if (start.trim() === "" || end === undefined || ends.includes("")) return null;
  // Where a channel is closed, the next message would be another thought.
  const written = isChannel(start) ? `${end}<|start|>assistant<|channel|>final<|message|>` : end;
  const specials = vocabulary.specialTokens().map(({ text }) => text);
  return {
    start,
    ends,
    opensAnywhere: specials.some((text) => text.length > 2 && start.startsWith(text)),
    beginsInside: endsInsideThought(description, prompt),
    budget: reasoning?.budget ?? null,
    cutsLoops: reasoning !== null,
    stops: reasoning?.end === "stop",
    closing: vocabulary.tokenize(written, { special: true }),
  };
}
