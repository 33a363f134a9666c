/** A model on a server. It supports only those features of an engine that the server offers. */

import { createHash } from "node:crypto";
import type { EncodedPrompt, Prompt, PromptOptions, TokenIds } from "../chat/conversation.js";
import type {
  ContextMemory,
  ContextNeeds,
  DenoiserSize,
  FreeMemory,
  Limits,
  Model,
  ModelDescription,
  ModelInfo,
} from "../engine.js";
import { LlamaEtsError } from "../errors.js";
import { checkTokens } from "../prompt.js";
import { resolveOnlySampling, type SamplingOptions } from "../sampling.js";
import type { Scores, Sequences } from "../sequences.js";
import { NO_SPECIAL_TOKENS } from "../vocabulary.js";
import type { ServerAddress } from "./address.js";
import { encodeRemotely } from "./encode-prompt.js";
import { RemoteSequences } from "./remote-sequences.js";
import { lacks, RemoteVocabulary } from "./remote-vocabulary.js";
import type { Server } from "./server.js";

/** No memory: the server manages its own. */
const NO_MEMORY: ContextMemory = {
  weights: 0,
  copy: 0,
  vocabulary: 0,
  kvCache: 0,
  logits: 0,
  compute: 0,
  total: 0,
};

const LIMITS: Limits = {
  sequences: 2 ** 20,
  batchTokens: 512,
  outputs: 512,
  parallel: 2 ** 16,
  cellUnit: 1,
  denoisedTexts: 1,
};

export class RemoteModel extends RemoteVocabulary implements Model {
  readonly path: string;
  readonly kind = "autoregressive";
  declare readonly info: Readonly<ModelInfo>;
  readonly threads = 1;
  readonly can;
  readonly limits = LIMITS;
  readonly #server: Server;
  readonly #close: () => void;
  /** A hash that identifies the tokenizer; null if the server doesn't report tokens. */
  readonly #tokenizer: string | null;
  readonly #open = new Set<RemoteSequences>();
  #isDisposed = false;

  constructor(
    address: ServerAddress,
    server: Server,
    { close, tokenizer }: { close: () => void; tokenizer: string | null },
  ) {
    const { facts } = server;
    const hasIds = facts.prefixes === "tokens";
    const info: ModelInfo = {
      description: `${facts.model} on ${facts.release}`,
      parameters: facts.parameters,
      sizeBytes: facts.sizeBytes,
      contextLength: facts.contextLength,
      isDiffusion: false,
      labels: [],
      vocabSize: hasIds ? facts.vocabSize : 2 ** 31 - 1,
      ...NO_SPECIAL_TOKENS,
      chatTemplate: null,
    };
    super(info, hasIds);
    this.path = address.given;
    this.can = { score: facts.scores, fork: true, rank: false, metrics: false, cut: true };
    this.#server = server;
    this.#close = close;
    this.#tokenizer = tokenizer;
  }

  describe(): ModelDescription {
    const { facts } = this.#server;
    const { kind, model, parameters, sizeBytes, vocabSize } = facts;
    const identity = [this.path, kind, model, parameters, sizeBytes, vocabSize];
    return {
      engine: { kind: "remote", release: facts.release, directory: this.path, gpu: false },
      devices: [],
      place: "cpu",
      sharesAttention: true,
      forksProven: true,
      weights: { bytes: facts.sizeBytes, isMapped: false },
      fingerprint: createHash("sha256").update(JSON.stringify(identity)).digest("hex"),
    };
  }

  async encodePrompt(prompt: Prompt, options: PromptOptions = {}): Promise<EncodedPrompt> {
    this.#checkAlive();
    return encodeRemotely(this.#server, this, prompt, options);
  }

  matchTokenizer(proposal: Model): number {
    if (!this.can.score) throw lacks("What ets-is needs, the log-probabilities of given tokens,");
    const isSame =
      proposal instanceof RemoteModel &&
      this.#tokenizer !== null &&
      this.#tokenizer === proposal.#tokenizer;
    if (isSame) return Math.min(this.info.vocabSize, proposal.info.vocabSize);
    throw new LlamaEtsError(
      "ERR_TOKENIZER_MISMATCH",
      "The proposal's tokenizer is not known to be the reference's: they split a text into different tokens, or the proposal isn't on a server that returns token ids",
      { fix: "a smaller model of the same family, on vLLM or llama-server" },
    );
  }

  async score(
    prompt: Prompt,
    continuations: readonly TokenIds[],
    sampling: SamplingOptions = {},
    promptOptions: PromptOptions = {},
  ): Promise<Scores[]> {
    const { vocabSize } = this.info;
    const policy = resolveOnlySampling(sampling, vocabSize);
    if (!this.can.score) throw lacks("The log-probabilities of given tokens");
    if (sampling.constraint !== undefined) throw lacks("`constraint`");
    const { tokens } = await this.encodePrompt(prompt, promptOptions);
    const texts = continuations.map((c) => checkTokens("continuations", c, vocabSize));
    const sequences = this.#sequences();
    try {
      const parent = await sequences.create();
      await parent.prefill(tokens);
      return await sequences.score(
        texts.map((text) => ({ parent, tokens: text })),
        policy,
      );
    } finally {
      await this.release(sequences);
    }
  }

  checkExtends(): void {
    this.#checkAlive();
  }

  memoryOf(): ContextMemory {
    return NO_MEMORY;
  }

  memoryOfDenoiser(): DenoiserSize {
    throw lacks("A diffusion model's texts");
  }

  freeMemory(): FreeMemory {
    const place = { place: "cpu", sharesAttention: true } as const;
    return { ...place, bytes: Number.MAX_SAFE_INTEGER, idleBytes: 0, mappedBytes: 0 };
  }

  async lease(_needs: ContextNeeds): Promise<Sequences> {
    this.#checkAlive();
    return this.#sequences();
  }

  async release(sequences: Sequences): Promise<void> {
    this.#open.delete(sequences as RemoteSequences);
  }

  /** Returns an empty object: the server itself shares common prefixes between runs. */
  async share(): Promise<AsyncDisposable> {
    this.#checkAlive();
    return { [Symbol.asyncDispose]: async () => {} };
  }

  async openDenoiser(): Promise<never> {
    throw lacks("A diffusion model's texts");
  }

  async openClassifier(): Promise<never> {
    throw lacks("A classification head");
  }

  /** Aborts the requests in flight. */
  async dispose(): Promise<void> {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    for (const sequences of this.#open) sequences.abort();
    this.#close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  #sequences(): RemoteSequences {
    const sequences = new RemoteSequences(this.#server, this, LIMITS);
    this.#open.add(sequences);
    return sequences;
  }

  #checkAlive(): void {
    if (this.#isDisposed) throw new LlamaEtsError("ERR_DISPOSED", "The model was disposed");
  }
}
