/** From what callers pass as a prompt to the tokens the model reads. */
import { checkInteger, checkKeys, checkOneOf, checkString } from "./check.js";
import { LlamaEtsError, messageOf } from "./errors.js";
import { LiteralText } from "./literal-text.js";
import type { Vocabulary } from "./vocabulary.js";

export interface ChatMessage {
  role: "system" | "user" | "assistant";
  content: string;
}

/** A user's message (or plain text with `raw`), chat messages, or token ids. */
export type Prompt = string | readonly ChatMessage[] | Int32Array | readonly number[];

export interface PromptOptions {
  /** Takes a string prompt as it is, without the chat template. Default false. */
  raw?: boolean;
  /** A system message put before the others. */
  system?: string;
  /** Leaves thinking on in templates that have the switch. Default false. */
  thinking?: boolean;
}

export interface EncodedPrompt {
  tokens: Int32Array;
  /** What the model reads, as text; empty for a prompt of token ids. */
  text: string;
}

/**
 * Throws `ERR_NO_CHAT_TEMPLATE` when the model has none (and `raw` is off), `ERR_INVALID_OPTION`
 * for a malformed or empty prompt.
 */
export async function encodePrompt(
  vocabulary: Vocabulary,
  prompt: Prompt,
  options: PromptOptions,
): Promise<EncodedPrompt> {
  const { info } = vocabulary;
  if (typeof prompt !== "string" && !Array.isArray(prompt) && !(prompt instanceof Int32Array)) {
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      "Expected `prompt` to be a string, chat messages or token ids",
    );
  }
  checkRaw(options);
  if (isTokens(prompt)) {
    return { tokens: checkTokens("prompt", prompt, info.vocabSize), text: "" };
  }
  const { tokens: body, text } =
    options.raw === true
      ? encodeRaw(vocabulary, prompt)
      : await encodeChat(vocabulary, toMessages(prompt, options), options.thinking ?? false);
  if (body.length === 0) refuseEmpty();
  // Most templates write the BOS themselves.
  const addsBos = info.addBos && info.bos !== null && body[0] !== info.bos;
  const tokens = addsBos ? Int32Array.of(info.bos as number, ...body) : body;
  return { tokens, text };
}

function encodeRaw(vocabulary: Vocabulary, prompt: string | readonly ChatMessage[]): EncodedPrompt {
  if (typeof prompt === "string") {
    return { tokens: vocabulary.tokenize(prompt, { special: true }), text: prompt };
  }
  throw new LlamaEtsError("ERR_INVALID_OPTION", "Expected `raw` with a string, got chat messages", {
    fix: "the prompt as one string, or the messages without `raw` (--raw)",
  });
}

/** Raw text goes through no template, so there is no place for a system message. */
export function checkRaw({ raw, system }: PromptOptions): void {
  if (raw !== true || system === undefined) return;
  throw new LlamaEtsError(
    "ERR_INVALID_OPTION",
    "`system` (--system) needs a chat template, which `raw` (--raw) leaves out",
    { fix: "one of the two, or the system text as part of the raw prompt" },
  );
}

function isTokens(prompt: Prompt): prompt is Int32Array | readonly number[] {
  if (prompt instanceof Int32Array) return true;
  return Array.isArray(prompt) && prompt.every((token) => typeof token === "number");
}

/** Token ids as the engine takes them. Throws `ERR_INVALID_OPTION`. */
export function checkTokens(
  name: string,
  tokens: Int32Array | readonly number[],
  vocabSize: number,
): Int32Array {
  const isList = tokens instanceof Int32Array || Array.isArray(tokens);
  if (!isList || tokens.length === 0) {
    throw new LlamaEtsError("ERR_INVALID_OPTION", `Expected \`${name}\` to hold token ids`);
  }
  for (const token of tokens) checkInteger(name, token, 0, vocabSize - 1);
  return Int32Array.from(tokens);
}

function refuseEmpty(): never {
  throw new LlamaEtsError("ERR_INVALID_OPTION", "Expected `prompt` to hold text, got nothing");
}

function toMessages(
  prompt: string | readonly ChatMessage[],
  options: PromptOptions,
): ChatMessage[] {
  const messages: ChatMessage[] =
    typeof prompt === "string" ? [{ role: "user", content: prompt }] : [...prompt];
  if (typeof prompt === "string" && prompt.trim() === "") refuseEmpty();
  for (const message of messages) {
    checkKeys("prompt[i]", message, ["role", "content"]);
    checkOneOf("role", message.role, ["system", "user", "assistant"]);
    checkString("content", message.content);
  }
  if (options.system !== undefined) messages.unshift({ role: "system", content: options.system });
  return messages;
}

/** Special tokens are the template's alone: in a message they are text. */
async function encodeChat(
  vocabulary: Vocabulary,
  messages: readonly ChatMessage[],
  thinking: boolean,
): Promise<EncodedPrompt> {
  const contents = messages.map(({ content }) => content);
  const literal = new LiteralText(vocabulary, [...contents, vocabulary.info.chatTemplate ?? ""]);
  const marked = messages.map((m) => ({ ...m, content: literal.protect(m.content) }));
  const text = await renderChat(vocabulary, messages, thinking);
  if (!literal.hasMarks) return { tokens: vocabulary.tokenize(text, { special: true }), text };
  return literal.read(await renderChat(vocabulary, marked, thinking), text);
}

async function renderChat(
  vocabulary: Vocabulary,
  messages: readonly ChatMessage[],
  thinking: boolean,
): Promise<string> {
  const { info } = vocabulary;
  if (info.chatTemplate === null) {
    throw new LlamaEtsError("ERR_NO_CHAT_TEMPLATE", "The model has no chat template", {
      fix: "raw: true (--raw), with the prompt written out as the model expects it",
    });
  }
  const { Template } = await import("@huggingface/jinja");
  const textOf = (token: number | null) => (token === null ? "" : vocabulary.tokenText(token));
  try {
    return new Template(info.chatTemplate).render({
      messages,
      add_generation_prompt: true,
      enable_thinking: thinking,
      bos_token: textOf(info.bos),
      eos_token: textOf(info.eos),
    });
  } catch (error) {
    throw new LlamaEtsError(
      "ERR_UNSUPPORTED_MODEL",
      `The model's chat template could not be rendered: ${messageOf(error)}`,
      { fix: "raw: true (--raw)", cause: error },
    );
  }
}
