/** Finds the rules for thoughts in a prompt's answers, by llama.cpp's analysis of the template. */
import { LlamaEtsError } from "../errors.js";
import { describeTemplate, type TemplateDescription } from "../text/text-requests.js";
import { isChannel, type ThoughtRules } from "../thoughts.js";
import type { Vocabulary } from "../vocabulary.js";
import type { Chat, EncodedPrompt } from "./conversation.js";
import { hasEfforts, type Reasoning, templateSwitches, withBudget } from "./reasoning.js";
import { isSource, renderConversation } from "./render.js";

/** Cached descriptions, by template, special tokens and switch. */
const known = new Map<string, Promise<TemplateDescription | null>>();
const MAX_KNOWN = 64;

/**
 * Returns the rules for thoughts, and notes about what the template can't do.
 *
 * @param text the rendered prompt, without the given beginning of the answer
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

/** The template's description; null if llama.cpp can't describe it, or if its library isn't available. */
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

/** The end of a prompt, where the answer begins. */
interface PromptEnd {
  /** The rendered prompt, without the given beginning of the answer (`prefill`). */
  text: string;
  prefill: string;
}

/** Whether a prompt ends inside a thought, as with templates like that of DeepSeek-R1. */
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

/** The rules for thoughts in a prompt's answers; null if the template has no thoughts. */
function thoughtRulesOf(
  vocabulary: Vocabulary,
  description: TemplateDescription,
  prompt: PromptEnd,
  reasoning: Reasoning | null,
): ThoughtRules | null {
  const { thoughtStart: start, thoughtEnds: ends } = description;
  const [end] = ends;
  if (start.trim() === "" || end === undefined || ends.includes("")) return null;
  // After a closed channel the next message could be another thought, so open the answer's channel.
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
