/** Encodes conversations as tokens. Special tokens come only from the template; in messages they are text. */
import { LlamaEtsError, messageOf } from "../errors.js";
import { LiteralText } from "../literal-text.js";
import { TextFailure } from "../text/text-failure.js";
import type { Vocabulary } from "../vocabulary.js";
import type { Chat, EncodedPrompt } from "./conversation.js";
import type { PlainMessage, PlainTool } from "./messages.js";
import { type Reasoning, templateSwitches } from "./reasoning.js";
import { type Renderer, renderConversation } from "./render.js";
import { readReasoning } from "./template-thoughts.js";

/** Options of a chat prompt, checked. */
export interface ChatOptions {
  tools: readonly PlainTool[];
  /** Null if the option wasn't given. */
  reasoning: Reasoning | null;
  /** Replaces the model's template. */
  template?: string;
  /** The day that the template uses as today. Default: today. */
  date?: string;
}

/**
 * Renders a conversation by a chat template, and converts it to tokens.
 *
 * @param messages at least one; if the last is the assistant's, it is the beginning of the answer
 * @param renderer for tests; the default is the better of the available ones
 * @throws LlamaEtsError `ERR_NO_CHAT_TEMPLATE`; `ERR_UNSUPPORTED_MODEL` if the model's template
 *   fails or takes no tools; `ERR_INVALID_OPTION` if a given template does
 */
export async function encodeChat(
  vocabulary: Vocabulary,
  messages: readonly PlainMessage[],
  { tools, reasoning, template: given, date }: ChatOptions,
  renderer?: Renderer,
): Promise<EncodedPrompt> {
  const template = given ?? templateOf(vocabulary, tools);
  const { info } = vocabulary;
  const textOf = (token: number | null) => (token === null ? "" : vocabulary.tokenText(token));
  const variables = templateSwitches(template, reasoning);
  const settings = {
    template,
    variables,
    bos: textOf(info.bos),
    eos: textOf(info.eos),
    ...(date !== undefined && { date }),
  };
  const { turns, prefill } = withoutPrefill(messages);
  const chat: Chat = { messages: turns, tools, settings, prefill };
  const literal = new LiteralText(vocabulary, [JSON.stringify(chat)]);
  const protect = (text: string) => literal.protect(text);
  const marked = { messages: turns.map(messageBy(protect)), tools: tools.map(toolBy(protect)) };
  const markedPrefill = literal.protect(prefill);
  try {
    const { text, again } = await renderConversation(chat, settings, renderer);
    if (tools.length > 0) {
      const without = await again({ messages: turns, tools: [] }).catch(() => undefined);
      refuseUnreadTools(text, without, tools);
    }
    const withMarks = literal.hasMarks ? await again(marked) : text;
    const read = literal.read(withMarks + markedPrefill, text + prefill);
    return { ...read, chat, ...(await readReasoning(vocabulary, chat, text, reasoning)) };
  } catch (error) {
    if (!(error instanceof TextFailure)) throw error;
    const whose = given === undefined ? "The model's chat template" : "`chatTemplate`";
    throw new LlamaEtsError(
      given === undefined ? "ERR_UNSUPPORTED_MODEL" : "ERR_INVALID_OPTION",
      `${whose} could not be rendered: ${messageOf(error)}`,
      { fix: "raw: true (--raw), or another template (--chat-template)", cause: error },
    );
  }
}

/** The model's template, by the rule of transformers: some models have a separate one for tools. */
function templateOf({ info, metadata }: Vocabulary, tools: readonly PlainTool[]): string {
  const forTools = metadata["tokenizer.chat_template.tool_use"];
  const template = tools.length > 0 && forTools ? forTools : info.chatTemplate;
  if (template !== null) return template;
  throw new LlamaEtsError("ERR_NO_CHAT_TEMPLATE", "The model has no chat template", {
    fix: "raw: true (--raw), with the prompt written out as the model expects it, or a template (--chat-template)",
  });
}

/** Splits off a last message of the assistant. The answer continues it without any separator. */
export function withoutPrefill(messages: readonly PlainMessage[]): {
  turns: readonly PlainMessage[];
  prefill: string;
} {
  const last = messages.at(-1);
  if (last?.role !== "assistant") return { turns: messages, prefill: "" };
  if (last.tool_calls !== undefined || last.reasoning_content !== undefined) {
    const what = last.tool_calls === undefined ? "thoughts" : "tool calls";
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      `The answer can't go on from a last message of the assistant with ${what}`,
      { fix: last.tool_calls ? "messages of the role tool behind it" : "text alone" },
    );
  }
  return { turns: messages.slice(0, -1), prefill: last.content };
}

/** Throws if the rendered text shows that the template doesn't use the tools. */
function refuseUnreadTools(
  text: string,
  without: string | undefined,
  tools: readonly PlainTool[],
): void {
  const unread = tools.find(({ function: { name } }) => {
    const asJson = JSON.stringify(name).slice(1, -1);
    return !text.includes(name) && !text.includes(asJson);
  });
  if (unread === undefined && text !== without) return;
  const { name } = (unread ?? (tools[0] as PlainTool)).function;
  throw new LlamaEtsError(
    "ERR_UNSUPPORTED_MODEL",
    `The chat template takes no tools: it doesn't write \`${name}\``,
    { fix: "a template that does (--chat-template), or the tools described in the system message" },
  );
}

/** Returns a function that changes all texts of a message, except its role and the types. */
function messageBy(change: (text: string) => string) {
  return (message: PlainMessage): PlainMessage => ({
    ...message,
    content: change(message.content),
    ...changed(message, ["reasoning_content", "tool_call_id", "name"], change),
    ...(message.tool_calls && {
      tool_calls: message.tool_calls.map(({ id, type, function: called }) => ({
        id: change(id),
        type,
        function: { name: change(called.name), arguments: changedData(called.arguments, change) },
      })),
    }),
  });
}

function toolBy(change: (text: string) => string) {
  return ({ type, function: tool }: PlainTool): PlainTool => ({
    type,
    function: {
      name: change(tool.name),
      description: change(tool.description),
      parameters: changedData(tool.parameters, change),
    },
  });
}

function changed<K extends string>(
  texts: Partial<Record<K, string>>,
  names: readonly K[],
  change: (text: string) => string,
): Partial<Record<K, string>> {
  const given = names.filter((name) => texts[name] !== undefined);
  return Object.fromEntries(given.map((name) => [name, change(texts[name] as string)])) as Partial<
    Record<K, string>
  >;
}

/** Changes all texts in a JSON value, including its keys. */
function changedData<T>(value: T, change: (text: string) => string): T {
  const walk = (one: unknown): unknown => {
    if (typeof one === "string") return change(one);
    if (Array.isArray(one)) return one.map(walk);
    if (typeof one !== "object" || one === null) return one;
    return Object.fromEntries(
      Object.entries(one).map(([key, inner]) => [change(key), walk(inner)]),
    );
  };
  return walk(value) as T;
}
