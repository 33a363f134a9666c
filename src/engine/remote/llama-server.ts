/**
 * llama.cpp's own server. Its `/completion` takes and returns token ids. Requests fix the order of its
 * samplers, so that its distribution is the same as the local engine's.
 */
import type { PlainMessage } from "../chat/messages.js";
import { templateSwitches } from "../chat/reasoning.js";
import type { Sampling } from "../sampling.js";
import { idsAnswer, nativeAnswer, promptAnswer, readAnswer } from "./answers.js";
import type { HttpClient } from "./http.js";
import { spellsSpecial } from "./remote-vocabulary.js";
import type {
  CompletionRequest,
  Completions,
  Drawn,
  DrawnPiece,
  Server,
  ServerFacts,
} from "./server.js";

type Native = ReturnType<typeof nativeAnswer.parse>[number];

/** Neutral values of all options that could change the distribution. They override the server's own. */
const NEUTRAL = {
  repeat_penalty: 1,
  presence_penalty: 0,
  frequency_penalty: 0,
  dry_multiplier: 0,
  typical_p: 1,
  top_n_sigma: -1,
  xtc_probability: 0,
  mirostat: 0,
  dynatemp_range: 0,
  min_keep: 0,
  ignore_eos: false,
  logit_bias: [],
  stream: false,
  cache_prompt: true,
};

const FINISHES = { eos: "end", word: "stop", limit: "length", none: "length" } as const;

export class LlamaServer implements Server {
  readonly #http: HttpClient;
  readonly #root: string;
  readonly #template: string;

  /** @param template Jinja source of the chat template; empty if there is none */
  constructor(
    http: HttpClient,
    root: string,
    readonly facts: ServerFacts,
    template: string,
  ) {
    this.#http = http;
    this.#root = root;
    this.#template = template;
  }

  async complete(request: CompletionRequest, signal: AbortSignal): Promise<Completions> {
    const { prefix, n, maxTokens, stop, seed } = request;
    const body = {
      ...NEUTRAL,
      ...samplersOf(request.sampling),
      model: this.facts.model,
      prompt: prefix.ids,
      n_cmpl: n,
      n_predict: maxTokens,
      stop,
      seed,
      return_tokens: true,
      n_probs: 1,
      post_sampling_probs: true,
    };
    const raw = await this.#http.json(`${this.#root}/completion`, body, signal);
    const all = readAnswer(nativeAnswer, "a completion", raw).sort((a, b) => a.index - b.index);
    const sum = (of: (one: Native) => number) => all.reduce((total, one) => total + of(one), 0);
    return {
      drawn: all.map(drawnOf),
      usage: {
        // Only the first completion reads the prompt; the others copy it.
        prompt: all[0]?.tokens_evaluated ?? 0,
        cached: all[0]?.timings?.cache_n ?? 0,
        generated: sum(({ tokens_predicted }) => tokens_predicted),
      },
    };
  }

  tokenize(content: string, signal?: AbortSignal): Promise<number[]> {
    return this.#tokens({ content, add_special: true, parse_special: true }, signal);
  }

  async applyTemplate(messages: readonly PlainMessage[], signal?: AbortSignal) {
    const body = {
      messages,
      add_generation_prompt: true,
      chat_template_kwargs: templateSwitches(this.#template, null),
    };
    const raw = await this.#http.json(`${this.#root}/apply-template`, body, signal);
    return { text: readAnswer(promptAnswer, "a chat template", raw).prompt, ids: null };
  }

  async checkMessages(messages: readonly PlainMessage[], signal?: AbortSignal): Promise<void> {
    for (const { content } of messages) {
      const [read, plain] = await Promise.all(
        [true, false].map((parse_special) => this.#tokens({ content, parse_special }, signal)),
      );
      if (read?.join() !== plain?.join()) throw spellsSpecial();
    }
  }

  async #tokens(body: object, signal: AbortSignal | undefined): Promise<number[]> {
    const raw = await this.#http.json(`${this.#root}/tokenize`, body, signal);
    return readAnswer(idsAnswer, "tokens", raw).tokens;
  }
}

/** The policy's samplers in this package's order: the temperature first, then the truncations. */
function samplersOf({ temperature, topK, topP, minP }: Sampling) {
  return {
    samplers: ["temperature", "top_k", "top_p", "min_p"],
    temperature,
    top_k: topK,
    top_p: topP,
    min_p: minP,
  };
}

function drawnOf({ tokens, stop_type, completion_probabilities: told = [] }: Native): Drawn {
  let next = 0;
  const pieces = tokens.map((id): DrawnPiece => {
    const here = told[next];
    // The server reports nothing for a token that ends inside a character. Its bytes come with the next.
    if (here?.id !== id) return { id, bytes: Buffer.alloc(0), logProb: 0 };
    next += 1;
    return { id, bytes: Buffer.from(here.bytes), logProb: Math.min(0, Math.log(here.prob)) };
  });
  return {
    pieces,
    endsWithToken: stop_type === "eos",
    finish: FINISHES[stop_type],
  };
}
