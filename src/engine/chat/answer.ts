/** Finds the tool calls in answers. llama.cpp parses them by the prompt's chat template. */
import { LlamaEtsError } from "../errors.js";
import { describeTemplate, type ParsedAnswer, parseAnswer } from "../text/text-requests.js";
import type { Vocabulary } from "../vocabulary.js";
import type { Chat } from "./conversation.js";
import { callId, type ToolCall } from "./messages.js";
import { isSource } from "./render.js";

/** A finished text. */
export interface Answer {
  text: string;
  /** All tokens, including the end token. */
  tokens: readonly number[];
  /** Whether the text was cut off before its end. */
  isPartial: boolean;
}

/**
 * Returns an answer's calls of the prompt's tools. Calls in a form that llama.cpp doesn't know for the
 * template, and calls whose arguments are no JSON object, stay text and aren't returned. Without
 * llama.cpp's library, no calls are returned.
 */
export async function toolCallsIn(
  vocabulary: Vocabulary,
  chat: Chat,
  answer: Answer,
): Promise<ToolCall[]> {
  const { messages, tools, settings, prefill } = chat;
  const { template, bos, eos, variables } = settings;
  if (!isSource(template)) return [];
  const thinking = variables.enable_thinking === true;
  const use = { template, bos, eos, thinking, tools, messages: messages.map(inWireForm) };
  let parsed: ParsedAnswer;
  try {
    const { preservedTokens } = await describeTemplate(use);
    const text = prefill + withSpecials(vocabulary, answer, preservedTokens);
    parsed = await parseAnswer(use, text, answer.isPartial);
  } catch (error) {
    if (error instanceof LlamaEtsError) return [];
    throw error;
  }
  return parsed.toolCalls.flatMap(({ id, name, arguments: json }, i): ToolCall[] => {
    const values = parsedObject(json);
    if (values === undefined || !tools.some((tool) => tool.function.name === name)) return [];
    return [{ id: id || callId(`${answer.tokens.join()}:${i}`), name, arguments: values }];
  });
}

/** Converts a message to the form of OpenAI's requests, in which arguments are JSON texts. */
function inWireForm({ tool_calls, ...message }: Chat["messages"][number]): object {
  if (tool_calls === undefined) return message;
  const calls = tool_calls.map(({ function: called, ...call }) => ({
    ...call,
    function: { name: called.name, arguments: JSON.stringify(called.arguments) },
  }));
  return { ...message, tool_calls: calls };
}

/** The answer's text, with the special tokens written out that have a meaning in answers. */
function withSpecials(
  vocabulary: Vocabulary,
  { text, tokens }: Answer,
  preserved: readonly string[],
): string {
  const specials = new Map(vocabulary.specialTokens().map((one) => [one.token, one.text]));
  const isKept = (token: number) => preserved.includes(specials.get(token) ?? "");
  if (!tokens.some(isKept)) return text;
  const written = tokens.map((token) => {
    if (specials.has(token) && !isKept(token)) return Buffer.alloc(0);
    return vocabulary.textBytes(Int32Array.of(token), { special: true });
  });
  return Buffer.concat(written).toString("utf8");
}

/** Parses the arguments of a call; undefined if they are no JSON object. */
export function parsedObject(json: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(json === "" ? "{}" : json);
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
