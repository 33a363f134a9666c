import {
  type ContextPlan,
  type ContextRequest,
  type Demand,
  type FreeMemory,
  freeMemory,
  planContexts,
  refuseTooLong,
} from "../../planning/capacity.js";
import { DENOISING_BATCH } from "../../planning/diffusion-capacity.js";
import { checkKeys } from "../check.js";
import { LlamaEtsError } from "../errors.js";
import {
  checkTokens,
  type EncodedPrompt,
  encodePrompt,
  type Prompt,
  type PromptOptions,
} from "../prompt.js";
import { resolveOnlySampling, type SamplingOptions } from "../sampling.js";
import { matchTokenizers } from "../tokenizer-match.js";
import { Context, type ContextOptions } from "./context.js";
import { ContextPool } from "./context-pool.js";
import { DiffusionContext, type DiffusionContextOptions } from "./diffusion-context.js";
import type { EngineLocation } from "./locate-engine.js";
import { bytesPerCell } from "./memory.js";
import { callNow, rethrow } from "./native.js";
import type { NativeScores } from "./native-context.js";
import type { NativeModel, NativeModelInfo } from "./native-model.js";
import type { AttentionChoice } from "./own-attention.js";
import type { ContextNeeds } from "./shared-context.js";

interface Origin {
  path: string;
  engine: EngineLocation;
  threads: number;
  attention: AttentionChoice;
  /** Loads the file anew under the architecture that keeps keys and values of its texts. */
  loadCaching(): Promise<NativeModel>;
}

/** Continuations that run side by side: where more would gain little, by kind of machine. */
const PARALLEL = { smallModel: 16, cpu: 32, gpu: 128 };
const SMALL_MODEL = 100e6;

/** A loaded model. Made by `loadModel`; disposing waits for the work in flight. */
export class Model implements AsyncDisposable {
  readonly #native: NativeModel;
  readonly #origin: Origin;
  readonly info: Readonly<NativeModelInfo>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly #contexts: ContextPool;
  readonly #diffusion = new Set<DiffusionContext>();
  /** A diffusion model's second copy, whose contexts keep keys and values; loaded when needed. */
  #caching: Promise<NativeModel> | undefined;
  #cachingBytes = 0;
  #disposing: Promise<void> | undefined;

  /** @internal */
  constructor(native: NativeModel, origin: Origin) {
    this.#native = native;
    this.#origin = origin;
    this.#contexts = new ContextPool(origin.threads, origin.attention);
    this.info = native.info();
    this.metadata = native.metadata();
  }

  /** The file it was loaded from. */
  get path(): string {
    return this.#origin.path;
  }

  /** Whether it extends texts token by token, or fills in the masks of texts of a fixed length. */
  get kind(): "autoregressive" | "diffusion" {
    return this.info.isDiffusion ? "diffusion" : "autoregressive";
  }

  get engine(): Readonly<EngineLocation> {
    return this.#origin.engine;
  }

  /** Who computes its attention on a CPU, as `loadModel` was told. */
  get attention(): AttentionChoice {
    return this.#origin.attention;
  }

  /** Threads it decodes with on the CPU. */
  get threads(): number {
    return this.#origin.threads;
  }

  /** Token ids of a text. What looks like a special token is one only with `special`. */
  tokenize(text: string, { special = false }: { special?: boolean } = {}): Int32Array {
    return callNow(() => this.#alive().tokenize(text, false, special));
  }

  /** The text of token ids; control tokens have none, unless `special` writes them out. */
  detokenize(tokens: Int32Array, { special = false }: { special?: boolean } = {}): string {
    return callNow(() => this.#alive().detokenize(tokens, special));
  }

  /** The vocabulary's entry for a token. */
  tokenText(token: number): string {
    return callNow(() => this.#alive().tokenText(token));
  }

  /** Whether a token ends the text (EOS, EOT and their like). */
  isEndToken(token: number): boolean {
    return callNow(() => this.#alive().isEndToken(token));
  }

  /**
   * The size of the vocabulary shared with a model of the same tokenizer. Throws
   * `ERR_TOKENIZER_MISMATCH`, naming the first difference.
   */
  matchTokenizer(proposal: Model): number {
    const describe = (model: Model) => ({
      native: model.#alive(),
      info: model.info,
      metadata: model.metadata,
    });
    return matchTokenizers(describe(this), describe(proposal));
  }

  /** The tokens the model reads for a prompt: chat template applied, special tokens in place. */
  encodePrompt(prompt: Prompt, options: PromptOptions = {}): Promise<EncodedPrompt> {
    checkKeys("options", options, ["raw", "system", "thinking"]);
    return encodePrompt(this.#alive(), this.info, prompt, options);
  }

  /** The context that a demand asks for. Throws `ERR_CONTEXT_FULL` or `ERR_OUT_OF_MEMORY`. */
  plan(demand: Demand): ContextPlan {
    return planTogether([{ model: this, demand }]).contexts[0] as ContextPlan;
  }

  /** @internal What a plan of this model's context rests on. */
  request(demand: Demand): ContextRequest {
    this.#aliveAutoregressive();
    const { device } = freeMemory();
    const kind =
      device === "gpu" ? device : this.info.parameters < SMALL_MODEL ? "smallModel" : "cpu";
    return { model: this, demand, parallelLimit: PARALLEL[kind] };
  }

  /** @internal Bytes of the copy whose contexts keep keys and values, once it is there. */
  get cachingBytes(): number {
    return this.#cachingBytes;
  }

  /** @internal Bytes of the contexts kept for runs, which the next one leases or replaces. */
  get idleBytes(): number {
    return this.#contexts.freeCells * bytesPerCell(this);
  }

  /**
   * A context for one run, which `release` takes back: a lane of a shared one that has room for it,
   * or one of its own. The last of these released is kept and handed out again when it is large
   * enough.
   */
  async lease(needs: ContextNeeds): Promise<Context> {
    return this.#contexts.lease(this.#aliveAutoregressive(), needs);
  }

  /**
   * Makes a context for runs side by side, whose decodes are shared: until it is disposed of, runs
   * lease lanes of it where they fit and its `flashAttention` suits them. Throws
   * `ERR_OUT_OF_MEMORY` when the engine can't allocate it.
   */
  async share(needs: ContextNeeds): Promise<AsyncDisposable> {
    return this.#contexts.share(this.#aliveAutoregressive(), needs);
  }

  /**
   * A context for classification, which the caller disposes of; the model's own disposal does too.
   * Throws `ERR_UNSUPPORTED_MODEL` without a classification head, and `ERR_OUT_OF_MEMORY`.
   */
  async openClassifying(
    size: Pick<ContextOptions, "cells" | "sequences" | "batchTokens" | "outputs">,
  ): Promise<Context> {
    const { threads } = this;
    const options = { ...size, threads, flashAttention: false, classifies: true };
    const context = await Context.open(this.#alive(), options);
    this.#contexts.add(context);
    return context;
  }

  /**
   * A context for denoising, which the caller disposes of; the model's own disposal does too. The
   * first with a `cache` reads the file into memory a second time, for all later ones too: under
   * another architecture, whose keys and values llama.cpp keeps.
   * Throws `ERR_UNSUPPORTED_MODEL` when the model is autoregressive, or its architecture keeps no
   * keys and values and `cache` asks for them; `ERR_CONTEXT_FULL` when the texts are too long for
   * the model, `ERR_OUT_OF_MEMORY` when the engine can't allocate it.
   */
  async openDiffusion(
    options: Omit<DiffusionContextOptions, "threads">,
  ): Promise<DiffusionContext> {
    this.#alive();
    if (this.kind !== "diffusion") {
      throw new LlamaEtsError(
        "ERR_UNSUPPORTED_MODEL",
        `${this.path} is autoregressive: it extends texts and fills in no masks`,
        { fix: "a diffusion model, such as LLaDA or Dream" },
      );
    }
    refuseTooLong(this, { promptTokens: 0, maxTokens: options.length });
    const batchTokens = DENOISING_BATCH[freeMemory().device];
    const keeps = (options.cache ?? "none") !== "none" && this.info.cachingArchitecture !== null;
    const native = keeps ? await this.#loadCaching() : this.#alive();
    const context = await DiffusionContext.open(native, {
      ...{ batchTokens, threads: this.threads },
      ...options,
    });
    for (const other of this.#diffusion) if (other.disposed) this.#diffusion.delete(other);
    this.#diffusion.add(context);
    return context;
  }

  /** Takes back a leased context; its sequences are freed. */
  release(context: Context): Promise<void> {
    return this.#contexts.release(context);
  }

  /**
   * Exact log-probabilities of continuations of a prompt, teacher-forced and packed into as few
   * decodes as fit; the prompt is prefilled once.
   *
   * @param continuations token ids, each at least one token
   * @param sampling the distribution to score under; its defaults are those of `sample`
   * @returns for each continuation, one log-probability a token (nats, fp64): `logProbs` under
   *   `sampling` (-Infinity outside its support), `rawLogProbs` under the model's softmax
   */
  async score(
    prompt: Prompt,
    continuations: readonly (Int32Array | readonly number[])[],
    sampling: SamplingOptions = {},
    promptOptions: PromptOptions = {},
  ): Promise<NativeScores[]> {
    const policy = resolveOnlySampling(sampling, this.info.vocabSize);
    const { tokens } = await this.encodePrompt(prompt, promptOptions);
    const requests = continuations.map((c) => checkTokens("continuations", c, this.info.vocabSize));
    if (requests.length === 0) return [];
    const longest = Math.max(...requests.map((r) => r.length));
    const capacity = this.#planScoring({
      promptTokens: tokens.length,
      maxTokens: longest,
      parallel: requests.length,
      held: 1,
      heldTokens: 0,
      continuedTokens: longest,
      comparesLogProbs: true,
    });
    const context = await this.lease(capacity);
    try {
      const parent = await context.create();
      await parent.prefill(tokens);
      return await context.score(
        requests.map((r) => ({ parent, tokens: r })),
        policy,
      );
    } catch (error) {
      rethrow(error);
    } finally {
      await this.release(context);
    }
  }

  /** Waits for the call in flight, then frees the model; safe to call twice. */
  dispose(): Promise<void> {
    this.#disposing ??= this.#free();
    return this.#disposing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  /** The copy that keeps keys and values, loaded once. A failure is forgotten: the next may succeed. */
  async #loadCaching(): Promise<NativeModel> {
    this.#caching ??= this.#origin.loadCaching();
    try {
      const native = await this.#caching;
      this.#alive();
      this.#cachingBytes = this.info.sizeBytes;
      return native;
    } catch (error) {
      if (this.#disposing === undefined) this.#caching = undefined;
      throw error;
    }
  }

  #planScoring(demand: Demand): ContextPlan {
    try {
      return this.plan(demand);
    } catch (error) {
      if (!(error instanceof LlamaEtsError)) throw error;
      throw new LlamaEtsError(error.code, error.message, {
        fix: "a shorter prompt or shorter continuations",
        cause: error,
      });
    }
  }

  async #free(): Promise<void> {
    const contexts = [this.#contexts, ...this.#diffusion];
    await Promise.all(contexts.map((context) => context[Symbol.asyncDispose]()));
    const caching = await this.#caching?.catch(() => undefined);
    caching?.close();
    this.#native.close();
  }

  #aliveAutoregressive(): NativeModel {
    const native = this.#alive();
    if (this.info.labels.length > 0) {
      throw new LlamaEtsError(
        "ERR_UNSUPPORTED_MODEL",
        `${this.path} is a classifier: it judges texts and writes none`,
        { fix: "it as a reward, `rewardModel(model)` or --reward model:FILE" },
      );
    }
    if (this.kind === "autoregressive") return native;
    throw new LlamaEtsError(
      "ERR_UNSUPPORTED_MODEL",
      `${this.path} is a diffusion model: it fills in masks and extends no text`,
      { fix: "an autoregressive model, such as Qwen3, Llama or Gemma" },
    );
  }

  #alive(): NativeModel {
    if (this.#disposing !== undefined) {
      throw new LlamaEtsError("ERR_DISPOSED", "The model was disposed");
    }
    return this.#native;
  }
}

/** Plans contexts of models for one run; what they keep idle counts as free. */
export function planTogether(wanted: readonly { model: Model; demand: Demand }[]): {
  contexts: ContextPlan[];
  free: FreeMemory;
} {
  const requests = wanted.map(({ model, demand }) => model.request(demand));
  const idle = [...new Set(wanted.map(({ model }) => model))].map((model) => model.idleBytes);
  const { bytes, ...place } = freeMemory();
  const free = { ...place, bytes: idle.reduce((a, b) => a + b, bytes) };
  return { contexts: planContexts(requests, free), free };
}
