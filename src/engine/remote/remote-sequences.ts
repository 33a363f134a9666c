/** Texts that a server continues. Only their tokens are kept here, and each group of draws is a request. */
import { createHash } from "node:crypto";
import { LlamaEtsError } from "../errors.js";
import type { Sampling } from "../sampling.js";
import type {
  Continuation,
  Expansion,
  Followed,
  GenerateRequest,
  ScoreRequest,
  Scores,
  Sequence,
  Sequences,
  SequencesStatus,
  TokenMetric,
} from "../sequences.js";
import { type Cut, cut, endsWhole } from "./continuations.js";
import { type Draw, type Group, groupsOf } from "./draw-groups.js";
import { RemoteSequence, read } from "./remote-sequence.js";
import { lacks, type RemoteVocabulary } from "./remote-vocabulary.js";
import { requestTogether } from "./requests-together.js";
import type { Completions, Drawn, Server, ServerPrefix } from "./server.js";

export class RemoteSequences implements Sequences {
  readonly batchTokens: number;
  readonly outputs: number;
  readonly rewind = "any";
  readonly #server: Server;
  readonly #vocabulary: RemoteVocabulary;
  readonly #abort = new AbortController();
  #alive = 0;
  #progress = 0;
  readonly #counters = {
    prefilled: 0,
    restored: 0,
    generated: 0,
    decoded: 0,
    scored: 0,
    forks: 0,
    decodes: 0,
    retokenised: 0,
  };

  constructor(server: Server, vocabulary: RemoteVocabulary, size: { batchTokens: number }) {
    this.#server = server;
    this.#vocabulary = vocabulary;
    this.batchTokens = size.batchTokens;
    this.outputs = size.batchTokens;
  }

  async create(): Promise<RemoteSequence> {
    return this.own([], null, true);
  }

  async prefill(requests: readonly { sequence: Sequence; tokens: Int32Array }[]): Promise<void> {
    for (const { sequence, tokens } of requests) await sequence.prefill(tokens);
  }

  async generate(request: GenerateRequest): Promise<Continuation[]> {
    refuseUnable(request);
    const { draws, timeLimitMs, maxTotalTokens } = request;
    this.#progress = 0;
    const groups = groupsOf(draws, maxTotalTokens, this.#server.facts.perRequest);
    const results: Continuation[] = draws.map(() => nothing("budget"));
    const ends = { aborted: this.#abort.signal, timeLimitMs };
    await requestTogether(groups, ends, async (group, signal) => {
      const answer = await this.#complete(group, request, signal);
      for (const [i, { index, draw }] of group.draws.entries()) {
        const drawn = withEnd(answer.drawn[i] as Drawn);
        this.#progress += drawn.pieces.length;
        results[index] = this.#toContinuation(drawn, draw, group, request);
      }
    });
    return results;
  }

  async #complete(
    { parent, maxTokens, draws }: Group,
    { sampling, stopStrings, key }: GenerateRequest,
    signal: AbortSignal,
  ): Promise<Completions> {
    const { stream, position } = (draws[0] as Group["draws"][number]).draw;
    const answer = await this.#server.complete(
      {
        prefix: this.#prefixOf(parent.tokens),
        n: draws.length,
        maxTokens,
        sampling,
        stop: stopStrings,
        seed: seedOf([...key, ...stream, position]),
      },
      signal,
    );
    const { drawn, usage } = answer;
    if (drawn.length < draws.length) {
      throw new LlamaEtsError(
        "ERR_ENGINE_ANSWER",
        `Expected ${draws.length} continuations from the server, got ${drawn.length}`,
      );
    }
    this.#counters.prefilled += Math.max(0, usage.prompt - usage.cached);
    this.#counters.restored += Math.min(usage.prompt, usage.cached);
    this.#counters.generated += usage.generated;
    this.#counters.decodes += 1;
    if (this.#server.facts.prefixes === "texts" && parent.changedAsRead(usage.prompt)) {
      this.#counters.retokenised += 1;
    }
    return answer;
  }

  #toContinuation(
    drawn: Drawn,
    draw: Draw,
    { parent, maxTokens }: Group,
    request: GenerateRequest,
  ): Continuation {
    const part = cut(drawn, draw, request, this.#vocabulary.detokenize(draw.text));
    const { pieces, finish, isShorter } = part;
    const tokens = pieces.map((piece, i) =>
      this.#vocabulary.idOf(piece, drawn.endsWithToken && i === drawn.pieces.length - 1),
    );
    const isLength = finish === "length" && !isShorter;
    if (isLength && tokens.length < maxTokens) {
      throw new LlamaEtsError(
        "ERR_CONTEXT_FULL",
        `The server ended a text after ${tokens.length} of ${maxTokens} tokens: its context is full`,
        { fix: "a smaller `maxTokens`, or a server with a longer context" },
      );
    }
    const logProbs = Float64Array.from(pieces, ({ logProb }) => logProb);
    return {
      tokens: Int32Array.from(tokens),
      logProbs,
      rawLogProbs: logProbs,
      drawnLogProbs: new Float64Array(),
      finish: isLength && maxTokens < draw.maxTokens ? "budget" : finish,
      sequence: this.#keep(part, draw, [...parent.tokens, ...tokens], parent),
    };
  }

  #keep(
    { finish, pieces }: Cut,
    draw: Draw,
    tokens: readonly number[],
    parent: RemoteSequence,
  ): RemoteSequence | null {
    if (finish === "length" && draw.keep) return this.own(tokens, parent, endsWhole(pieces));
    return draw.keepEnded === true ? this.own(tokens.slice(0, -1), parent, false) : null;
  }

  async score(
    requests: readonly ScoreRequest[],
    sampling: Sampling,
    metrics: readonly TokenMetric[] = [],
  ): Promise<Scores[]> {
    const { score } = this.#server;
    if (score === undefined) throw lacks("The log-probabilities of given tokens");
    refuseMetrics(metrics);
    const { temperature, topK, topP, minP } = sampling;
    if (temperature !== 1 || topK !== 0 || topP !== 1 || minP !== 0) {
      throw lacks(
        "The log-probabilities of given tokens under a policy other than the model's own",
        "temperature 1, without topK, topP and minP",
      );
    }
    const results: Scores[] = [];
    const ends = { aborted: this.#abort.signal, timeLimitMs: null };
    await requestTogether([...requests.entries()], ends, async ([i, request], signal) => {
      const ids = Array.from(request.tokens, (token) => this.#idOf(token));
      const before = read(request.parent).tokens.map((token) => this.#idOf(token));
      const told = await score.call(this.#server, before, ids, signal);
      this.#counters.scored += ids.length;
      this.#counters.prefilled += Math.max(0, before.length - told.cached);
      this.#counters.restored += Math.min(before.length, told.cached);
      this.#counters.decodes += 1;
      const logProbs = Float64Array.from(told.logProbs);
      results[i] = { logProbs, rawLogProbs: logProbs };
    });
    return results;
  }

  async follow(
    requests: readonly (ScoreRequest & { keep: boolean })[],
    sampling: Sampling,
    metrics: readonly TokenMetric[] = [],
  ): Promise<Followed[]> {
    const scores = await this.score(requests, sampling, metrics);
    return requests.map(({ parent, tokens, keep }, i) => {
      const whole = [...read(parent).tokens, ...tokens];
      const sequence = keep ? this.own(whole, read(parent), true) : null;
      return { ...(scores[i] as Scores), sequence };
    });
  }

  async expand(): Promise<Expansion[]> {
    throw lacks("The most probable next tokens");
  }

  async status(): Promise<SequencesStatus> {
    const { retokenised, ...counters } = this.#counters;
    const isText = this.#server.facts.prefixes === "texts";
    return {
      ...counters,
      decodeNs: 0,
      samplingNs: 0,
      cells: 0,
      usedCells: 0,
      sequences: this.#alive,
      freeSequences: 0,
      ...(isText && { retokenised }),
    };
  }

  /** Tokens of the answers that have arrived. */
  get progress(): number {
    return this.#progress;
  }

  abort(): void {
    this.#abort.abort(new LlamaEtsError("ERR_ABORTED", "The call was aborted"));
  }

  /** @internal */
  own(tokens: readonly number[], from: RemoteSequence | null, isSafe: boolean): RemoteSequence {
    this.#alive += 1;
    return new RemoteSequence(this, tokens, from, isSafe);
  }

  /** @internal */
  forked(): void {
    this.#counters.forks += 1;
  }

  /** @internal */
  freed(): void {
    this.#alive -= 1;
  }

  #prefixOf(tokens: readonly number[]): ServerPrefix {
    const isText = this.#server.facts.prefixes === "texts";
    return {
      text: isText ? this.#vocabulary.detokenize(Int32Array.from(tokens)) : "",
      ids: isText ? [] : tokens.map((token) => this.#idOf(token)),
    };
  }

  /** The server's id of a token. */
  #idOf(token: number): number {
    const { id } = this.#vocabulary.piece(token);
    if (id === null) throw lacks("A text without token ids");
    return id;
  }
}

/** Throws `ERR_UNSUPPORTED_MODEL` for features that no server offers. */
function refuseUnable({ sampling, power = 1, metrics = [], thoughts, pause }: GenerateRequest) {
  if (sampling.constraint !== undefined) throw lacks("`constraint`");
  if (sampling.allowedTokens.length > 0) throw lacks("`allowedTokens`");
  if (power !== 1) throw lacks("Draws from a power of the policy");
  if (thoughts !== undefined) throw lacks("`reasoning`");
  if (pause === "entropy") throw lacks('`block: "entropy"`', "`block`: line or sentence");
  refuseMetrics(metrics);
}

function refuseMetrics(metrics: readonly TokenMetric[]): void {
  if (metrics.length > 0) throw lacks(`The ${metrics.join(" and ")} of tokens`);
}

/** Adds an end token to a text that has ended, if the server doesn't report one. */
function withEnd(drawn: Drawn): Drawn {
  if (drawn.finish !== "end" || drawn.endsWithToken) return drawn;
  const end = { id: null, bytes: Buffer.alloc(0), logProb: 0 };
  return { ...drawn, pieces: [...drawn.pieces, end], endsWithToken: true };
}

function nothing(finish: Continuation["finish"]): Continuation {
  const none = new Float64Array();
  return {
    tokens: new Int32Array(),
    logProbs: none,
    rawLogProbs: none,
    drawnLogProbs: none,
    finish,
    sequence: null,
  };
}

/** A seed for a draw. It has 31 bits, so that it fits into a signed 32-bit integer of a server. */
function seedOf(words: readonly number[]): number {
  return createHash("sha256").update(words.join()).digest().readUInt32LE(0) >>> 1;
}
