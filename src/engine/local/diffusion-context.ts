/** The denoiser of llama.cpp's diffusion models. */
import { checkInteger, checkNumber, checkOneOf } from "../check.js";
import type {
  DenoisedText,
  Denoiser,
  DenoiserOptions,
  DenoiserStatus,
  FoundText,
  ScoredState,
} from "../denoiser.js";
import {
  CACHES,
  type DiffusionCache,
  type SearchRequest,
  type TokenPolicy,
} from "../denoising-request.js";
import { addon, call, rethrow } from "./native.js";
import type { NativeDiffusionContext } from "./native-diffusion.js";
import { type NativeModel, toNativeSampling } from "./native-model.js";
import { type LocalDenoiseRequest, toNativeDenoise, toNativeSearch } from "./native-requests.js";

export interface DiffusionContextOptions extends DenoiserOptions {
  /**
   * Whether cached keys and values have 32 bits instead of 16. Default false. Exact passes always use 32.
   *
   * @internal
   */
  singlePrecision?: boolean;
  /**
   * For tests: `false` behaves like an engine whose state has an unknown layout. Default true.
   *
   * @internal
   */
  knowsState?: boolean;
  /**
   * Tokens of one decode, if several texts fit into it. Default 128: on a CPU a larger batch is no
   * faster. The attention is computed for all pairs of tokens in the batch, and pairs of different
   * texts are then masked.
   */
  batchTokens?: number;
  threads: number;
}

const DEFAULT_BATCH_TOKENS = 128;

export class DiffusionContext implements Denoiser {
  readonly #native: NativeDiffusionContext;
  readonly #maskToken: number;
  readonly options: Readonly<DiffusionContextOptions>;
  #closing: Promise<void> | undefined;

  private constructor(
    native: NativeDiffusionContext,
    maskToken: number,
    options: DiffusionContextOptions,
  ) {
    this.#native = native;
    this.#maskToken = maskToken;
    this.options = options;
  }

  /**
   * Throws `ERR_UNSUPPORTED_MODEL` if the model is not a diffusion model, or if it can't cache the keys
   * and values that `cache` asks for; and `ERR_OUT_OF_MEMORY`.
   */
  static async open(
    model: NativeModel,
    options: DiffusionContextOptions,
  ): Promise<DiffusionContext> {
    const { length, texts, cache = "none", guidance = false, threads } = options;
    const {
      batchTokens = DEFAULT_BATCH_TOKENS,
      singlePrecision = false,
      knowsState = true,
    } = options;
    checkInteger("length", length, 2, 2 ** 15 - 1);
    checkInteger("texts", texts, 1, 100);
    checkOneOf("cache", cache, CACHES);
    const native = new (addon().DiffusionContext)();
    try {
      const maskToken = await native.open(model, {
        length,
        texts,
        cache,
        singlePrecision,
        knowsState,
        guidance,
        batchTokens,
        threads,
      });
      return new DiffusionContext(native, maskToken, options);
    } catch (error) {
      return rethrow(error, { ERR_OUT_OF_MEMORY: "fewer or shorter texts, or a smaller model" });
    }
  }

  get maskToken(): number {
    return this.#maskToken;
  }

  /** The cache in use. It is "prefix" instead of "dual" if the layout of the engine's state is unknown. */
  get cache(): DiffusionCache {
    return this.#native.cache();
  }

  async denoise(request: LocalDenoiseRequest): Promise<DenoisedText[]> {
    if (request.texts.length === 0) return [];
    const native = toNativeDenoise(request);
    return call(() => this.#native.denoise(native));
  }

  async search(request: SearchRequest): Promise<FoundText[]> {
    if (request.texts.length === 0) return [];
    const native = toNativeSearch(request);
    return call(() => this.#native.search(native));
  }

  async scoreStates(
    prompt: Int32Array,
    states: readonly ScoredState[],
    { sampling, cfgScale = 0 }: TokenPolicy,
  ): Promise<Float64Array[]> {
    checkNumber("cfgScale", cfgScale, 0, 100);
    return call(() =>
      this.#native.score({
        prompt,
        states: [...states],
        sampling: toNativeSampling(sampling),
        cfgScale,
      }),
    );
  }

  status(): Promise<DenoiserStatus> {
    return call(() => this.#native.status());
  }

  get progress(): number {
    return this.#native.progress();
  }

  get shown(): Int32Array {
    return this.#native.shown();
  }

  abort(): void {
    this.#native.abort();
  }

  get disposed(): boolean {
    return this.#closing !== undefined;
  }

  /** Waits for work in flight. A second call does no harm. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#native.close();
    return this.#closing;
  }
}
