/** Checks prompts and converts them to the tokens that the model reads. */
import { types } from "node:util";
import type { EncodedPrompt, Prompt, PromptOptions, TokenIds } from "./chat/conversation.js";
import { type ChatOptions, encodeChat } from "./chat/encode.js";
import { type ChatMessage, type PlainMessage, readMessages, readTools } from "./chat/messages.js";
import { resolveReasoning } from "./chat/reasoning.js";
import { checkToolChoice } from "./chat/tool-choice.js";
import { checkBoolean, checkInteger, checkKeys, checkString, optional, refuse } from "./check.js";
import { LlamaEtsError } from "./errors.js";
import { SpecialText } from "./special-text.js";
import type { Vocabulary } from "./vocabulary.js";

const PROMPT_OPTIONS = [
  "raw",
  "system",
  "reasoning",
  "tools",
  "toolChoice",
  "chatTemplate",
  "date",
] as const;

/** @internal The fields of an `EncodedPrompt` that no chat template has made. */
export const NO_CHAT = { chat: null, thoughts: null, notes: [] };

/** A checked prompt, by its kind. */
export type ReadPrompt =
  | { kind: "tokens"; tokens: TokenIds }
  | { kind: "raw"; text: string }
  | { kind: "chat"; messages: PlainMessage[]; options: ChatOptions };

/** Checks a prompt and its options. Throws `ERR_INVALID_OPTION` for a malformed or empty prompt. */
export function readPrompt(prompt: Prompt, options: PromptOptions): ReadPrompt {
  if (typeof prompt !== "string" && !Array.isArray(prompt) && !isIntegerArray(prompt)) {
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      "Expected `prompt` to be a string, chat messages or token ids",
    );
  }
  checkKeys("options", options, PROMPT_OPTIONS);
  optional(checkBoolean, "raw", options.raw);
  optional(checkString, "system", options.system);
  checkRaw(options);
  if (isTokens(prompt)) return { kind: "tokens", tokens: prompt };
  if (options.raw === true) return { kind: "raw", text: checkRawText(prompt) };
  const { system, reasoning, tools = [], toolChoice, chatTemplate, date } = options;
  const template = optional(checkTemplate, "chatTemplate", chatTemplate);
  optional((_, choice) => checkToolChoice(choice, tools), "toolChoice", toolChoice);
  const told = readTools(tools);
  return {
    kind: "chat",
    messages: toMessages(prompt, system),
    options: {
      tools: toolChoice === "none" ? [] : told,
      reasoning: reasoning === undefined ? null : resolveReasoning(reasoning),
      ...(template !== undefined && { template }),
      ...(date !== undefined && { date: checkDate("date", date) }),
    },
  };
}

/**
 * Converts a prompt to tokens. Throws `ERR_NO_CHAT_TEMPLATE` if the model has no chat template and `raw`
 * is off, `ERR_INVALID_OPTION` for a malformed or empty prompt, and `ERR_UNSUPPORTED_MODEL` if the chat
 * template fails or takes no tools.
 */
export async function encodePrompt(
  vocabulary: Vocabulary,
  prompt: Prompt,
  options: PromptOptions,
): Promise<EncodedPrompt> {
  const { info } = vocabulary;
  const asked = readPrompt(prompt, options);
  if (asked.kind === "tokens") {
    const tokens = checkTokens("prompt", asked.tokens, info.vocabSize);
    return { tokens, text: "", specials: [], ...NO_CHAT };
  }
  const encoded =
    asked.kind === "raw"
      ? encodeRaw(vocabulary, asked.text)
      : await encodeChat(vocabulary, asked.messages, asked.options);
  const { tokens: body } = encoded;
  if (body.length === 0) refuseEmpty();
  // Most templates write the BOS themselves.
  const addsBos = info.addBos && info.bos !== null && body[0] !== info.bos;
  if (!addsBos) return encoded;
  const tokens = new Int32Array(body.length + 1);
  tokens[0] = info.bos as number;
  tokens.set(body, 1);
  return { ...encoded, tokens };
}

/** Throws `ERR_INVALID_OPTION` unless the text is a day from 1900 to 9999, written as YYYY-MM-DD. */
export function checkDate(name: string, date: string): string {
  const text = checkString(name, date);
  const isWritten = /^(19|[2-9]\d)\d\d-\d\d-\d\d$/.test(text);
  const day = new Date(`${text}T12:00:00Z`);
  if (isWritten && !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text)) return text;
  return refuse(name, "a day as YYYY-MM-DD, from 1900 on", date);
}

/** Throws `ERR_INVALID_OPTION` for an empty template. */
export function checkTemplate(name: string, template: string): string {
  if (checkString(name, template).trim() !== "") return template;
  throw new LlamaEtsError(
    "ERR_INVALID_OPTION",
    "Expected `chatTemplate` (--chat-template) to hold a template, got an empty one",
  );
}

function encodeRaw(vocabulary: Vocabulary, text: string): EncodedPrompt {
  const tokens = vocabulary.tokenize(text, { special: true });
  return { tokens, text, specials: new SpecialText(vocabulary).find(text), ...NO_CHAT };
}

function checkRawText(prompt: string | readonly ChatMessage[]): string {
  if (typeof prompt === "string") return prompt;
  throw new LlamaEtsError("ERR_INVALID_OPTION", "Expected `raw` with a string, got chat messages", {
    fix: "the prompt as one string, or the messages without `raw` (--raw)",
  });
}

/** Options that need a chat template, with their command-line flags. */
const NEEDS_TEMPLATE = {
  system: "--system",
  reasoning: "--reasoning",
  tools: "--tools",
  toolChoice: "--tool-choice",
  chatTemplate: "--chat-template",
  date: "--date",
} as const;

/** Throws `ERR_INVALID_OPTION` if `raw` is combined with an option that needs a chat template. */
export function checkRaw(options: PromptOptions): void {
  if (options.raw !== true) return;
  for (const [name, flag] of Object.entries(NEEDS_TEMPLATE)) {
    if (options[name as keyof typeof NEEDS_TEMPLATE] === undefined) continue;
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      `\`${name}\` (${flag}) needs a chat template, which \`raw\` (--raw) leaves out`,
      { fix: `one of the two, or what ${flag} says as part of the raw prompt` },
    );
  }
}

function isTokens(prompt: Prompt): prompt is TokenIds {
  if (isIntegerArray(prompt)) return true;
  return Array.isArray(prompt) && prompt.every((token) => typeof token === "number");
}

/**
 * Whether a value is a typed array of integers, also one of another realm (a `vm` context, Jest). A Buffer
 * is refused: it holds text, whose bytes would pass as token ids.
 */
function isIntegerArray(value: unknown): value is Exclude<TokenIds, readonly number[]> {
  return (
    types.isTypedArray(value) &&
    /^(Int|Uint)(8|8Clamped|16|32)Array$/.test(value[Symbol.toStringTag]) &&
    !Buffer.isBuffer(value)
  );
}

/** Checks token ids and converts them to the engine's type. Throws `ERR_INVALID_OPTION`. */
export function checkTokens(name: string, tokens: TokenIds, vocabSize: number): Int32Array {
  const isList = isIntegerArray(tokens) || Array.isArray(tokens);
  if (!isList || tokens.length === 0) {
    throw new LlamaEtsError("ERR_INVALID_OPTION", `Expected \`${name}\` to hold token ids`);
  }
  for (const token of tokens) checkInteger(name, token, 0, vocabSize - 1);
  return Int32Array.from(tokens);
}

/** @internal */
export function refuseEmpty(): never {
  throw new LlamaEtsError("ERR_INVALID_OPTION", "Expected `prompt` to hold text, got nothing");
}

function toMessages(prompt: string | readonly ChatMessage[], system?: string): PlainMessage[] {
  if (typeof prompt === "string" && prompt.trim() === "") refuseEmpty();
  const messages: readonly ChatMessage[] =
    typeof prompt === "string" ? [{ role: "user", content: prompt }] : prompt;
  const read = readMessages(messages);
  return system === undefined ? read : [{ role: "system", content: system }, ...read];
}
