/** Converts results to the form of OpenAI's API. */
import { StringDecoder } from "node:string_decoder";
import type { Model } from "../engine/engine.js";
import type { Result } from "../methods/result.js";
import type { Alternative, TokenAlternatives } from "./alternatives.js";
import type { ServedRequest } from "./request.js";

/** The fields that all parts of an answer have. */
export interface Head {
  id: string;
  created: number;
  model: string;
}

/** A result, with the alternatives of its tokens if the request asked for them. */
export interface Answered {
  result: Result;
  alternatives: TokenAlternatives | null;
}

export function objectOf({ form }: ServedRequest, isChunk: boolean): string {
  if (form === "text") return "text_completion";
  return isChunk ? "chat.completion.chunk" : "chat.completion";
}

export function finishReasonOf({ stopReason, toolCalls = [] }: Result): string {
  if (toolCalls.length > 0) return "tool_calls";
  return stopReason === "length" || stopReason === "budget" ? "length" : "stop";
}

/** Returns how the answer was found, in the field `ets` that extends OpenAI's API. */
export function guidanceOf(result: Result) {
  const { method, answer, agreement, reward, law, steps, usage, warnings, seed, auto } = result;
  return {
    // Why the method was chosen, if the request asked for `auto`.
    ...(auto && { auto }),
    method,
    seed,
    answer,
    agreement,
    reward,
    law,
    ess: steps.map((step) => step.ess),
    votes: votesOf(result),
    tokens: {
      generated: usage.generated,
      decoded: usage.decoded,
      prefilled: usage.prefilled,
      cached: usage.cached,
      scored: usage.scored,
    },
    ms: usage.ms,
    warnings,
  };
}

/** Counts how often the texts of the last step give each answer. */
function votesOf({ steps }: Result): { answer: string | null; votes: number }[] {
  const votes = new Map<string | null, number>();
  for (const { completions } of steps.at(-1)?.candidates ?? []) {
    for (const { answer, votes: own } of completions) {
      votes.set(answer, (votes.get(answer) ?? 0) + own);
    }
  }
  return [...votes]
    .map(([answer, count]) => ({ answer, votes: count }))
    .sort((a, b) => b.votes - a.votes);
}

/** Returns the tokens of all answers. A prompt counts once, however many answers it has. */
export function usageOf(answers: readonly Answered[], n: number) {
  const results = answers.map(({ result }) => result);
  const sum = (of: (result: Result) => number) => results.reduce((all, one) => all + of(one), 0);
  const firsts = results.filter((_, i) => i % n === 0);
  const prompt = firsts.reduce((all, { prompt: { tokens } }) => all + tokens.length, 0);
  const cached = firsts.reduce((all, { usage, prompt: { tokens } }) => {
    return all + Math.min(usage.cached, tokens.length);
  }, 0);
  const completion = sum(({ tokens }) => tokens.length);
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: cached },
    completion_tokens_details: {
      reasoning_tokens: sum(({ thoughts }) => thoughts?.tokens ?? 0),
    },
    ets: {
      generated_tokens: sum(({ usage }) => usage.generated),
      decoded_tokens: sum(({ usage }) => usage.decoded),
      prefilled_tokens: sum(({ usage }) => usage.prefilled),
      scored_tokens: sum(({ usage }) => usage.scored),
    },
  };
}

/** Returns the tool calls of a chat answer, or of the last part of a stream. */
export function toolCallsOf({ toolCalls = [] }: Result) {
  return toolCalls.map(({ id, name, arguments: values }, index) => ({
    index,
    id,
    type: "function" as const,
    function: { name, arguments: JSON.stringify(values) },
  }));
}

export function choiceOf(request: ServedRequest, index: number, answered: Answered, model: Model) {
  const { result } = answered;
  const logprobs = logprobsOf(request, answered, model);
  const common = {
    index,
    logprobs,
    finish_reason: finishReasonOf(result),
    ets: guidanceOf(result),
  };
  if (request.form === "text") return { text: result.text, ...common };
  const calls = toolCallsOf(result).map(({ index: _, ...call }) => call);
  const content = calls.length > 0 ? null : result.text;
  const message = {
    role: "assistant",
    content,
    refusal: null,
    ...(result.reasoning && { reasoning_content: result.reasoning }),
    ...(calls.length > 0 && { tool_calls: calls }),
  };
  return { message, ...common };
}

/** The log-probability of a token that the policy excludes, since JSON has no -Infinity. */
const IMPOSSIBLE = -9999;

function finite(logProb: number): number {
  return Number.isFinite(logProb) ? logProb : IMPOSSIBLE;
}

export function logprobsOf(
  { form, logprobs }: ServedRequest,
  { result, alternatives }: Answered,
  model: Model,
) {
  if (logprobs === null) return null;
  const entryOf = (token: number, logProb: number) => ({
    token: model.detokenize(Int32Array.of(token), { continues: true, special: true }),
    logprob: finite(logProb),
    bytes: [...model.textBytes(Int32Array.of(token), { special: true })],
  });
  const count = shownTokens(result, model);
  const entries = result.tokens.slice(0, count).map((token, i) => ({
    ...entryOf(token, result.logProbs[i] as number),
    top_logprobs: (alternatives?.[i] ?? []).map(({ token: other, logProb }: Alternative) =>
      entryOf(other, logProb),
    ),
  }));
  if (form === "chat") return { content: entries, refusal: null };
  // A character that spans several tokens belongs to the last of them.
  const decoder = new StringDecoder("utf8");
  let offset = 0;
  return {
    tokens: entries.map(({ token }) => token),
    token_logprobs: entries.map(({ logprob }) => logprob),
    top_logprobs: entries.map(({ top_logprobs: top }) =>
      Object.fromEntries(top.map(({ token, logprob }) => [token, logprob])),
    ),
    text_offset: entries.map(({ bytes }) => {
      const at = offset;
      offset += decoder.write(Buffer.from(bytes)).length;
      return at;
    }),
  };
}

/**
 * Returns the number of tokens in the text, without the end token and without what a stop string cut off. A
 * text with thoughts has all tokens, including those of the thoughts.
 */
function shownTokens({ tokens, text, thoughts, stopReason }: Result, model: Model): number {
  const last = tokens.at(-1);
  const ends = last !== undefined && model.isEndToken(last);
  if (stopReason !== "stop" || thoughts !== undefined) return tokens.length - (ends ? 1 : 0);
  const most = Buffer.byteLength(text);
  let bytes = 0;
  for (const [i, token] of tokens.entries()) {
    if (bytes >= most) return i;
    bytes += model.textBytes(Int32Array.of(token)).length;
  }
  return tokens.length;
}
