/**
 * Servers with OpenAI's `/v1/completions`. vLLM also takes and returns token ids, applies its chat
 * template and scores prompts. Other servers need only OpenAI's API.
 */
import type { PlainMessage } from "../chat/messages.js";
import type { Sampling } from "../sampling.js";
import {
  badAnswer,
  type Choice,
  completionsAnswer,
  idsAnswer,
  promptAnswer,
  readAnswer,
} from "./answers.js";
import type { HttpClient } from "./http.js";
import { spellsSpecial } from "./remote-vocabulary.js";
import type { CompletionRequest, Completions, Drawn, Server, ServerFacts } from "./server.js";

/** Neutral values of options that a server might take from the model's defaults, if it knows them. */
export const EXTRAS = { top_k: -1, min_p: 0, repetition_penalty: 1 };

/**
 * The special tokens of common models. Servers also read them as special tokens in messages, and don't
 * report which ones a model has.
 */
const SPECIAL =
  /<\|[^|>\s]{1,40}\|>|<\uff5c|\[\/?(?:INST|SYSTEM_PROMPT|TOOL_CALLS|AVAILABLE_TOOLS|TOOL_RESULTS)\]|<\/?s>|<(?:bos|eos|pad|(?:start|end)_of_turn)>/;

/** A server of which only OpenAI's API is known. */
export class OpenAiServer implements Server {
  readonly #http: HttpClient;
  readonly #api: string;
  readonly #extras: object;

  /** @param extras request fields outside OpenAI's API that the server supports */
  constructor(
    http: HttpClient,
    api: string,
    readonly facts: ServerFacts,
    extras: object,
  ) {
    this.#http = http;
    this.#api = api;
    this.#extras = extras;
  }

  async checkMessages(messages: readonly PlainMessage[]): Promise<void> {
    if (messages.some(({ content }) => SPECIAL.test(content))) throw spellsSpecial();
  }

  async complete(request: CompletionRequest, signal: AbortSignal): Promise<Completions> {
    const { prefix, n, maxTokens, sampling, stop, seed } = request;
    const takesIds = this.facts.prefixes === "tokens";
    const body = {
      model: this.facts.model,
      ...this.#extras,
      ...policyOf(sampling),
      prompt: takesIds ? prefix.ids : prefix.text,
      n,
      max_tokens: maxTokens,
      seed,
      logprobs: 0,
      stream: false,
      ...(stop.length > 0 && { stop }),
      ...(takesIds && { return_token_ids: true }),
    };
    const raw = await this.#http.json(`${this.#api}/completions`, body, signal);
    const { choices, usage } = readAnswer(completionsAnswer, "a completion", raw);
    const drawn = choices
      .sort((a, b) => a.index - b.index)
      .map((choice) => drawnOf(choice, takesIds, stop.length > 0));
    return {
      drawn,
      usage: {
        prompt: usage?.prompt_tokens ?? 0,
        cached: usage?.prompt_tokens_details?.cached_tokens ?? 0,
        generated:
          usage?.completion_tokens ?? drawn.reduce((sum, { pieces }) => sum + pieces.length, 0),
      },
    };
  }
}

/** vLLM. It has further endpoints beside OpenAI's API. */
export class VllmServer extends OpenAiServer {
  readonly #more: { http: HttpClient; api: string; root: string };

  constructor(
    http: HttpClient,
    { api, root }: { api: string; root: string },
    facts: ServerFacts,
    extras: object,
  ) {
    super(http, api, facts, extras);
    this.#more = { http, api, root };
  }

  tokenize(prompt: string, signal?: AbortSignal): Promise<number[]> {
    return this.#tokens({ prompt, add_special_tokens: true }, signal);
  }

  async applyTemplate(messages: readonly PlainMessage[], signal?: AbortSignal) {
    const { http, root } = this.#more;
    const ids = await this.#tokens({ messages, add_generation_prompt: true }, signal);
    const body = { model: this.facts.model, tokens: ids };
    const raw = await http.json(`${root}/detokenize`, body, signal);
    return { text: readAnswer(promptAnswer, "a chat template", raw).prompt, ids };
  }

  async score(prefix: readonly number[], tokens: readonly number[], signal: AbortSignal) {
    const { http, api } = this.#more;
    const prompt = [...prefix, ...tokens];
    const body = {
      model: this.facts.model,
      prompt,
      prompt_logprobs: 1,
      max_tokens: 1,
      temperature: 1,
      stream: false,
    };
    const raw = await http.json(`${api}/completions`, body, signal);
    const { choices, usage } = readAnswer(completionsAnswer, "log-probabilities", raw);
    const told = choices[0]?.prompt_logprobs ?? [];
    if (told.length !== prompt.length) throw badAnswer("log-probabilities", "their number");
    const logProbs = tokens.map((token, i) => {
      const here = told[prefix.length + i]?.[String(token)];
      if (here === undefined) throw badAnswer("log-probabilities", "a token's is missing");
      return here.logprob ?? Number.NEGATIVE_INFINITY;
    });
    const { prompt_tokens_details: details } = usage ?? {};
    return { logProbs, prompt: prompt.length, cached: details?.cached_tokens ?? 0 };
  }

  async #tokens(body: object, signal: AbortSignal | undefined): Promise<number[]> {
    const { http, root } = this.#more;
    const { model } = this.facts;
    const raw = await http.json(`${root}/tokenize`, { model, ...body }, signal);
    return readAnswer(idsAnswer, "tokens", raw).tokens;
  }
}

function policyOf({ temperature, topK, topP, minP }: Sampling) {
  return {
    temperature,
    top_p: topP,
    ...(topK > 0 && { top_k: topK }),
    ...(minP > 0 && { min_p: minP }),
  };
}

function drawnOf(choice: Choice, hasIds: boolean, hasStops: boolean): Drawn {
  const { text, logprobs, finish_reason: reason, stop_reason: stopped } = choice;
  if (!logprobs) throw badAnswer("a completion", "`logprobs` is missing");
  const { tokens, token_logprobs: values } = logprobs;
  const ids = hasIds ? (choice.token_ids ?? []) : null;
  if (values.length !== tokens.length || (ids !== null && ids.length !== tokens.length)) {
    throw badAnswer("a completion", "tokens and their values differ in number");
  }
  const texts = alignedTexts(tokens, text);
  const pieces = texts.map((bytes, i) => ({
    id: ids === null ? null : (ids[i] as number),
    bytes: Buffer.from(bytes),
    logProb: Math.min(0, values[i] ?? 0),
  }));
  const finish = finishOf(reason, hasStops, stopped);
  return { pieces, finish, endsWithToken: ids !== null && finish === "end" && stopped == null };
}

/** Why a text ended. Servers say "stop" for an end token and for a stop string; some name the string. */
function finishOf(
  reason: string | null,
  hasStops: boolean,
  stopped: string | number | null | undefined,
): Drawn["finish"] {
  if (reason === "length") return "length";
  if (reason !== "stop")
    throw badAnswer("a completion", `\`finish_reason\` ${String(reason).slice(0, 50)}`);
  const mayBeString = stopped === undefined || typeof stopped === "string";
  return hasStops && mayBeString ? "stop" : "end";
}

/**
 * The part of the text that each token adds. If several tokens form one character, their own texts are
 * incomplete or replacement characters. Then the last of them gets the whole character, and the others
 * get nothing.
 */
export function alignedTexts(tokens: readonly string[], text: string): string[] {
  const texts = tokens.map(() => "");
  let at = 0;
  /** The last token whose text is not known yet. */
  let open: number | null = null;
  for (const [i, token] of tokens.entries()) {
    const found = token === "" ? -1 : text.indexOf(token, at);
    const isNext = found === at || (found > at && open !== null && !token.includes("\ufffd"));
    if (!isNext) {
      open = i;
      continue;
    }
    if (open !== null && found > at) texts[open] = text.slice(at, found);
    texts[i] = token;
    at = found + token.length;
    open = null;
  }
  if (at < text.length) {
    if (open === null) throw badAnswer("a completion", "its tokens are not those of its text");
    texts[open] = text.slice(at);
  }
  return texts;
}
