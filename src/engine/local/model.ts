import type { EncodedPrompt, Prompt, PromptOptions } from "../chat/conversation.js";
import { refuseTooLong } from "../context-length.js";
import type { DenoiserOptions } from "../denoiser.js";
import { documentText } from "../document-text.js";
import type {
  Abilities,
  Capacity,
  ContextMemory,
  ContextNeeds,
  ContextShape,
  DenoiserSize,
  FreeMemory,
  Limits,
  Model,
  ModelDescription,
  Place,
} from "../engine.js";
import { LlamaEtsError } from "../errors.js";
import { checkTokens, encodePrompt } from "../prompt.js";
import { resolveOnlySampling, type SamplingOptions } from "../sampling.js";
import type { Scores, Sequences } from "../sequences.js";
import { compareTokens, matchTokenizers } from "../tokenizer-match.js";
import type { SpecialToken, Vocabulary } from "../vocabulary.js";
import { LocalClassifier } from "./classifier.js";
import type { Context } from "./context.js";
import { ContextPool } from "./context-pool.js";
import { DiffusionContext, type DiffusionContextOptions } from "./diffusion-context.js";
import { freeMemoryAt, placeOf } from "./free-memory.js";
import type { EngineLocation } from "./locate-engine.js";
import {
  bytesOfCache,
  CELL_PADDING,
  DENOISING_BATCH,
  memoryOfContext,
  memoryOfDenoiser,
} from "./memory.js";
import { kvHeadsOf, mostHeads } from "./model-shape.js";
import { addon, callNow } from "./native.js";
import type { NativeModel, NativeModelInfo } from "./native-model.js";
import { type AttentionChoice, mayBeOwn } from "./own-attention.js";
import { canCut } from "./recurrent-state.js";
import { sizeForScoring } from "./scoring-size.js";

interface Origin {
  path: string;
  engine: EngineLocation;
  threads: number;
  /** Layers on the GPU: -1 all, where there is one. */
  gpuLayers: number;
  attention: AttentionChoice;
  /** Loads the file anew under the architecture that keeps keys and values of its texts. */
  loadCaching(): Promise<NativeModel>;
}

/** Continuations that run side by side: where more would gain little, by kind of machine. */
const PARALLEL = { smallModel: 16, cpu: 32, gpu: 128 };
const SMALL_MODEL = 100e6;

/** A model of llama.cpp in this process. Made by `loadModel`. */
export class LocalModel implements Model {
  readonly #native: NativeModel;
  readonly #origin: Origin;
  readonly info: Readonly<NativeModelInfo>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly can: Readonly<Abilities>;
  readonly limits: Readonly<Limits>;
  readonly #place: Place;
  readonly #contexts: ContextPool;
  #specialTokens: readonly SpecialToken[] | undefined;
  readonly #others = new Set<AsyncDisposable & { readonly disposed: boolean }>();
  /** A diffusion model's second copy, whose contexts keep keys and values; read when needed. */
  #caching: Promise<NativeModel> | undefined;
  #hasCopy = false;
  #disposing: Promise<void> | undefined;

  constructor(native: NativeModel, origin: Origin) {
    this.#native = native;
    this.#origin = origin;
    this.#contexts = new ContextPool(origin.threads, origin.attention);
    this.metadata = native.metadata();
    this.info = withMostHeads(withTemplate(native.info()), this.metadata);
    const cut = canCut(this.info);
    this.can = { score: true, fork: true, rank: true, metrics: true, cut };
    this.#place = placeOf(origin.gpuLayers);
    const isSmall = this.#place === "cpu" && this.info.parameters < SMALL_MODEL;
    this.limits = {
      sequences: 256, // LLAMA_MAX_SEQ
      batchTokens: 512,
      outputs: 64,
      parallel: PARALLEL[isSmall ? "smallModel" : this.#place],
      cellUnit: CELL_PADDING,
      denoisedTexts: 100, // native/js/diffusion_values.cc
    };
  }

  /** The file it was loaded from. */
  get path(): string {
    return this.#origin.path;
  }

  get kind(): "autoregressive" | "diffusion" {
    return this.info.isDiffusion ? "diffusion" : "autoregressive";
  }

  get threads(): number {
    return this.#origin.threads;
  }

  /** Who computes its attention on a CPU, as `loadModel` was told. */
  get attention(): AttentionChoice {
    return this.#origin.attention;
  }

  /** Whether the copy is in memory whose contexts keep keys and values. */
  get hasCopy(): boolean {
    return this.#hasCopy;
  }

  describe(): ModelDescription {
    const { engine, attention } = this.#origin;
    const { isMapped } = this.info;
    return {
      engine: { kind: "local", ...engine },
      devices: addon().devices(),
      place: this.#place,
      sharesAttention: mayBeOwn(attention, this.#place),
      weights: { bytes: this.info.sizeBytes, isMapped },
      forksProven: false,
    };
  }

  tokenize(text: string, { special = false }: { special?: boolean } = {}): Int32Array {
    return callNow(() => this.#alive().tokenize(text, false, special));
  }

  detokenize(
    tokens: Int32Array,
    { special = false, continues = false }: { special?: boolean; continues?: boolean } = {},
  ): string {
    return continues
      ? this.textBytes(tokens, { special }).toString("utf8")
      : documentText(this, tokens, special);
  }

  textBytes(tokens: Int32Array, { special = false }: { special?: boolean } = {}): Buffer {
    return callNow(() => this.#alive().detokenize(tokens, special));
  }

  specialTokens(): readonly SpecialToken[] {
    const native = this.#alive();
    this.#specialTokens ??= callNow(() => native.specialTokens());
    return this.#specialTokens;
  }

  tokenText(token: number): string {
    return callNow(() => this.#alive().tokenText(token));
  }

  isEndToken(token: number): boolean {
    return callNow(() => this.#alive().isEndToken(token));
  }

  firstDifference(other: Vocabulary): number | null {
    if (!(other instanceof LocalModel)) return compareTokens(this, other);
    return callNow(() => this.#alive().firstTokenDifference(other.#alive()));
  }

  matchTokenizer(proposal: Model): number {
    return matchTokenizers(this, proposal);
  }

  encodePrompt(prompt: Prompt, options: PromptOptions = {}): Promise<EncodedPrompt> {
    this.#alive();
    return encodePrompt(this, prompt, options);
  }

  checkExtends(): void {
    this.#aliveAutoregressive();
  }

  memoryOf(shape: ContextShape, place = this.#place): ContextMemory {
    return memoryOfContext(this, shape, place);
  }

  memoryOfDenoiser(options: DenoiserOptions, place = this.#place): DenoiserSize {
    return memoryOfDenoiser(this, options, place);
  }

  freeMemory(): FreeMemory {
    const { attention } = this.#origin;
    const { isMapped } = this.info;
    // Linux counts mapped files as free: taking that memory would evict the weights.
    const isCountedFree = isMapped && this.#place === "cpu" && process.platform === "linux";
    return {
      ...freeMemoryAt(this.#place),
      sharesAttention: mayBeOwn(attention, this.#place),
      mustShareAttention: attention === "own",
      idleBytes: bytesOfCache(this, this.#contexts.free),
      mappedBytes: isCountedFree ? this.info.sizeBytes : 0,
    };
  }

  async lease(needs: ContextNeeds): Promise<Context> {
    return this.#contexts.lease(this.#aliveAutoregressive(), needs);
  }

  async release(sequences: Sequences): Promise<void> {
    await this.#contexts.release(sequences as Context);
  }

  async share(needs: ContextNeeds): Promise<AsyncDisposable> {
    return this.#contexts.share(this.#aliveAutoregressive(), needs);
  }

  async openClassifier(size: Capacity): Promise<LocalClassifier> {
    return this.#owned(await LocalClassifier.open(this.#alive(), size, this.threads));
  }

  /**
   * The first with a `cache` reads the file into memory a second time, for all later ones too: under
   * another architecture, whose keys and values llama.cpp keeps.
   */
  async openDenoiser(options: Omit<DiffusionContextOptions, "threads">): Promise<DiffusionContext> {
    this.#alive();
    if (this.kind !== "diffusion") {
      throw new LlamaEtsError(
        "ERR_UNSUPPORTED_MODEL",
        `${this.path} is autoregressive: it extends texts and fills in no masks`,
        { fix: "a diffusion model, such as LLaDA or Dream" },
      );
    }
    refuseTooLong(this.info, { promptTokens: 0, maxTokens: options.length });
    const keeps = (options.cache ?? "none") !== "none" && this.info.cachingArchitecture !== null;
    const native = keeps ? await this.#loadCaching() : this.#alive();
    const batchTokens = DENOISING_BATCH[this.#place];
    return this.#owned(
      await DiffusionContext.open(native, { batchTokens, threads: this.threads, ...options }),
    );
  }

  async score(
    prompt: Prompt,
    continuations: readonly (Int32Array | readonly number[])[],
    sampling: SamplingOptions = {},
    promptOptions: PromptOptions = {},
  ): Promise<Scores[]> {
    const policy = resolveOnlySampling(sampling, this.info.vocabSize);
    const { tokens } = await this.encodePrompt(prompt, promptOptions);
    const requests = continuations.map((c) => checkTokens("continuations", c, this.info.vocabSize));
    if (requests.length === 0) return [];
    this.checkExtends();
    const context = await this.lease(
      sizeForScoring(this, {
        promptTokens: tokens.length,
        longest: Math.max(...requests.map((r) => r.length)),
        continuations: requests.length,
      }),
    );
    try {
      const parent = await context.create();
      await parent.prefill(tokens);
      return await context.score(
        requests.map((r) => ({ parent, tokens: r })),
        policy,
      );
    } finally {
      await this.release(context);
    }
  }

  dispose(): Promise<void> {
    this.#disposing ??= this.#free();
    return this.#disposing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  async #free(): Promise<void> {
    const contexts = [this.#contexts, ...this.#others];
    await Promise.all(contexts.map((context) => context[Symbol.asyncDispose]()));
    const caching = await this.#caching?.catch(() => undefined);
    caching?.close();
    this.#native.close();
  }

  /** The copy that keeps keys and values, read once. A failure is forgotten: the next may succeed. */
  async #loadCaching(): Promise<NativeModel> {
    this.#caching ??= this.#origin.loadCaching();
    try {
      const native = await this.#caching;
      this.#alive();
      this.#hasCopy = true;
      return native;
    } catch (error) {
      if (this.#disposing === undefined) this.#caching = undefined;
      throw error;
    }
  }

  /** Disposed of with the model, unless its user did so before. */
  #owned<T extends AsyncDisposable & { readonly disposed: boolean }>(context: T): T {
    for (const other of this.#others) if (other.disposed) this.#others.delete(other);
    this.#others.add(context);
    return context;
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

/** An empty chat template is none. */
function withTemplate(info: NativeModelInfo): NativeModelInfo {
  const isEmpty = (info.chatTemplate ?? "").trim() === "";
  return isEmpty ? { ...info, chatTemplate: null } : info;
}

/** With the most heads that a layer has: those of the first, which llama.cpp gives, may be none. */
function withMostHeads(
  info: NativeModelInfo,
  metadata: Readonly<Record<string, string>>,
): NativeModelInfo {
  const shape = { info, metadata };
  return { ...info, heads: mostHeads(shape), kvHeads: Math.max(...kvHeadsOf(shape)) };
}
