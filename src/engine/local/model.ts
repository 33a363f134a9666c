import type { EncodedPrompt, Prompt, PromptOptions, TokenIds } from "../chat/conversation.js";
import { checkSizes, refuse } from "../check.js";
import type { DenoiserOptions } from "../denoiser.js";
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
import { messageOf } from "../errors.js";
import type { KvType } from "../kv-types.js";
import { encodePrompt } from "../prompt.js";
import type { SamplingOptions } from "../sampling.js";
import type { Scores, Sequences } from "../sequences.js";
import { matchTokenizers } from "../tokenizer-match.js";
import { LocalClassifier } from "./classifier.js";
import { Context, type SamplingPlace } from "./context.js";
import { ContextPool } from "./context-pool.js";
import { DenoisingCopy } from "./denoising-copy.js";
import { DiffusionContext, type DiffusionContextOptions } from "./diffusion-context.js";
import { type ForkVerdict, probeForks } from "./fork-probe.js";
import { keepProof, type Proven } from "./fork-proofs.js";
import {
  freeBytesFor,
  freeMachineBytes,
  gpuShare,
  mappedBytes,
  placeOf,
  refuseBeyondMachine,
} from "./free-memory.js";
import { ModelPrompts } from "./kept-prompts.js";
import { LocalVocabulary } from "./local-vocabulary.js";
import type { EngineLocation } from "./locate-engine.js";
import {
  bytesOfCache,
  bytesPerRow,
  DENOISING_BATCH,
  memoryOfContext,
  memoryOfDenoiser,
} from "./memory.js";
import { limitsOf, type Variant } from "./model-info.js";
import { addon } from "./native.js";
import type { NativeModel } from "./native-model.js";
import { type AttentionChoice, mayBeOwn } from "./own-attention.js";
import { canCut } from "./recurrent-state.js";
import { scorePrompt } from "./scoring.js";
import { refuseDenoising, refuseExtending } from "./supported.js";

const CAPACITY = ["cells", "sequences", "batchTokens", "outputs"] as const;

interface Origin extends Variant {
  path: string;
  engine: EngineLocation;
  threads: number;
  /** Layers on the GPU; -1 means all, if there is a GPU. */
  gpuLayers: number;
  attention: AttentionChoice;
  /** The key of a proof of its forks, and whether there is such a proof. */
  proof: Proven;
  forksProven: boolean;
  sampling: SamplingPlace;
  /** Loads the file a second time, under the architecture that caches the keys and values of its texts. */
  loadCaching(): Promise<NativeModel>;
}

/** A model of llama.cpp in this process. `loadModel` creates it. */
export class LocalModel extends LocalVocabulary implements Model {
  readonly #origin: Origin;
  /** Type of cached keys and values. */
  readonly kvType: KvType;
  /** Bytes of its LoRA adapters. */
  readonly adapterBytes: number;
  readonly can: Readonly<Abilities>;
  readonly limits: Readonly<Limits>;
  /** Where its tokens are drawn: the option `sampling` of `loadModel`. */
  readonly sampling: SamplingPlace;
  /** The share of its layers on a GPU, from 0 to 1. */
  readonly #gpuShare: number;
  readonly #place: Place;
  readonly #prompts: ModelPrompts;
  readonly #contexts: ContextPool;
  #forksProven: boolean;
  readonly #others = new Set<AsyncDisposable & { readonly disposed: boolean }>();
  readonly #copy: DenoisingCopy;
  #disposing: Promise<void> | undefined;

  constructor(native: NativeModel, origin: Origin) {
    super(native, origin);
    this.#origin = origin;
    this.#forksProven = origin.forksProven;
    this.sampling = origin.sampling;
    this.#copy = new DenoisingCopy(origin.loadCaching);
    const cut = canCut(this.info);
    this.can = { score: true, fork: true, rank: true, metrics: true, cut };
    this.#gpuShare = gpuShare(this.info.layers, origin.gpuLayers, addon().devices());
    this.#place = placeOf(this.#gpuShare);
    this.#prompts = new ModelPrompts({
      cuts: cut,
      bytesOf: (cells) => bytesOfCache(this, { cells, sequences: 1 }) + bytesPerRow(this),
      available: () => freeMachineBytes() - mappedBytes(this.info, this.#place),
    });
    const { threads, attention, sampling, kvType, adapters } = origin;
    this.kvType = kvType;
    this.adapterBytes = adapters.reduce((sum, { bytes }) => sum + bytes, 0);
    this.#contexts = new ContextPool({
      threads,
      attention,
      sampling,
      kvType,
      prompts: this.#prompts,
    });
    this.limits = limitsOf(this.info, this.#place);
  }

  /** The file that it was loaded from. */
  get path(): string {
    return this.#origin.path;
  }

  get kind(): "autoregressive" | "diffusion" {
    return this.info.isDiffusion ? "diffusion" : "autoregressive";
  }

  get threads(): number {
    return this.#origin.threads;
  }

  /** Which kernel computes its attention on a CPU: the option `attention` of `loadModel`. */
  get attention(): AttentionChoice {
    return this.#origin.attention;
  }

  /** Whether the second copy of the weights, which caches keys and values, is in memory. */
  get hasCopy(): boolean {
    return this.#copy.isLoaded;
  }

  describe(): ModelDescription {
    const { engine, attention, adapters, kvType } = this.#origin;
    const { isMapped } = this.info;
    return {
      engine: { kind: "local", ...engine },
      devices: addon().devices(),
      place: this.#place,
      sharesAttention: mayBeOwn(attention, this.#place),
      weights: { bytes: this.info.sizeBytes, isMapped },
      forksProven: this.#forksProven,
      adapters: adapters.map(({ path, scale }) => ({ path, scale })),
      kvType,
    };
  }

  /**
   * Compares forked texts with each text alone, and stores a proof in the user's cache. `notKept` says
   * why the proof couldn't be stored. Throws as `lease` does.
   */
  async proveForks(): Promise<ForkVerdict & { notKept?: string }> {
    this.checkExtends();
    const verdict = await probeForks(this);
    this.#forksProven = verdict.outcome === "passed";
    if (!this.#forksProven) return verdict;
    try {
      await keepProof(this.#origin.proof);
      return verdict;
    } catch (error) {
      return { ...verdict, notKept: messageOf(error) };
    }
  }

  matchTokenizer(proposal: Model): number {
    return matchTokenizers(this, proposal);
  }

  encodePrompt(prompt: Prompt, options: PromptOptions = {}): Promise<EncodedPrompt> {
    this.alive();
    return encodePrompt(this, prompt, options);
  }

  checkExtends(): void {
    this.#aliveToExtend();
  }

  memoryOf(shape: ContextShape, place = this.#place): ContextMemory {
    return memoryOfContext(this, shape, place, this.sampling);
  }

  memoryOfDenoiser(options: DenoiserOptions, place = this.#place): DenoiserSize {
    return memoryOfDenoiser(this, options, place);
  }

  freeMemory(): FreeMemory {
    const { attention, kvType } = this.#origin;
    const bytes = freeBytesFor(this.#gpuShare, addon().devices(), freeMachineBytes());
    return {
      kvType,
      place: this.#place,
      bytes,
      sharesAttention: mayBeOwn(attention, this.#place),
      mustShareAttention: attention === "own",
      idleBytes: bytesOfCache(this, this.#contexts.free),
      sharedIdleBytes: bytesOfCache(this, this.#contexts.freeParts),
      mappedBytes: mappedBytes(this.info, this.#place),
    };
  }

  async lease(needs: ContextNeeds): Promise<Context> {
    const native = this.#aliveToExtend();
    this.#makeRoom(needs, bytesOfCache(this, this.#contexts.free));
    return this.#contexts.lease(native, needs);
  }

  async release(sequences: Sequences): Promise<void> {
    if (!(sequences instanceof Context)) refuse("sequences", "what `lease` gave", sequences);
    await this.#contexts.release(sequences);
  }

  async share(needs: ContextNeeds): Promise<AsyncDisposable> {
    const native = this.#aliveToExtend();
    this.#makeRoom(needs);
    return this.#contexts.share(native, needs);
  }

  /**
   * Drops kept prompts to make room for a context. `reused` are the bytes that the context takes over
   * from idle ones. Throws `ERR_OUT_OF_MEMORY` if the machine's memory isn't enough.
   */
  #makeRoom(given: ContextNeeds, reused = 0): void {
    const { memory, ...needs } = checkSizes("needs", given, CAPACITY);
    if (memory !== undefined) checkSizes("needs.memory", memory, ["kvCache", "compute", "logits"]);
    const { kvCache, compute, logits } = memory ?? {
      kvCache: bytesOfCache(this, needs),
      compute: 0,
      logits: 0,
    };
    const isHere = this.#place === "cpu";
    const needed = isHere ? kvCache + compute + logits - reused : logits;
    refuseBeyondMachine(needed);
    this.#prompts.makeRoom(needed);
  }

  async openClassifier(size: Capacity): Promise<LocalClassifier> {
    this.#makeRoom(size);
    return this.#owned(await LocalClassifier.open(this.alive(), size, this.threads));
  }

  /**
   * Opens a denoiser. The first one with a `cache` loads the file into memory a second time, under an
   * architecture whose keys and values llama.cpp caches. Later ones use the same copy.
   */
  async openDenoiser(options: Omit<DiffusionContextOptions, "threads">): Promise<DiffusionContext> {
    this.alive();
    refuseDenoising(this, checkSizes("options", options, ["length", "texts"]));
    const { memory } = this.memoryOfDenoiser(options);
    this.#makeRoom({ cells: 0, sequences: 0, memory });
    const wantsCache = (options.cache ?? "none") !== "none";
    const keeps = wantsCache && this.info.cachingArchitecture !== null;
    const native = keeps ? await this.#copy.get() : this.alive();
    this.alive(); // the model may have been disposed of while the copy was loaded
    const batchTokens = DENOISING_BATCH[this.#place];
    return this.#owned(
      await DiffusionContext.open(native, { batchTokens, threads: this.threads, ...options }),
    );
  }

  async score(
    prompt: Prompt,
    continuations: readonly TokenIds[],
    sampling: SamplingOptions = {},
    promptOptions: PromptOptions = {},
  ): Promise<Scores[]> {
    return await scorePrompt(this, { prompt, continuations, sampling, promptOptions });
  }

  dispose(): Promise<void> {
    this.#disposing ??= this.#free();
    return this.#disposing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  async #free(): Promise<void> {
    const native = this.retire();
    const contexts = [this.#contexts, ...this.#others];
    this.#prompts[Symbol.dispose]();
    await Promise.all(contexts.map((context) => context[Symbol.asyncDispose]()));
    await this.#copy[Symbol.asyncDispose]();
    native.close();
  }

  /** Registers a context, so that the model's disposal disposes of it too. */
  #owned<T extends AsyncDisposable & { readonly disposed: boolean }>(context: T): T {
    for (const other of this.#others) if (other.disposed) this.#others.delete(other);
    this.#others.add(context);
    return context;
  }

  #aliveToExtend(): NativeModel {
    const native = this.alive();
    refuseExtending(this);
    return native;
  }
}
