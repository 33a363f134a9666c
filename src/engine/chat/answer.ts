/** Tool calls in answers, as llama.cpp finds them for the template that the prompt was made with. */
import { LlamaEtsError } from "../errors.js";
import { describeTemplate, type ParsedAnswer, parseAnswer } from "../text/text-requests.js";
import type { Vocabulary } from "../vocabulary.js";
import type { Chat } from "./conversation.js";
import { callId, type ToolCall } from "./messages.js";
import { isSource } from "./render.js";

/** A finished text. */
export interface Answer {
  text: string;
  /** Its end token included. */
  tokens: readonly number[];
  /** Whether it was cut off. */
  isPartial: boolean;
}

/**
 * The calls that an answer makes of the prompt's tools. What is in a form that llama.cpp doesn't know
 * for the template, or whose arguments are no JSON object, stays text: no calls. So it is where
 * llama.cpp's library can't be had.
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

/** As OpenAI's requests have messages, which llama.cpp reads: arguments are JSON. */
function inWireForm({ tool_calls, ...message }: Chat["messages"][number]): object {
  if (tool_calls === undefined) return message;
  const calls = tool_calls.map(({ function: called, ...call }) => ({
    ...call,
    function: { name: called.name, arguments: JSON.stringify(called.arguments) },
  }));
  return { ...message, tool_calls: calls };
}

/** The answer with those special tokens written out that mean something in one. */
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

/** Arguments of a call; undefined: they are no JSON object. */
export function parsedObject(json: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(json === "" ? "{}" : json);
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
