/** The app's side of a denoiser in an engine's process. */
import type {
  DenoisedText,
  Denoiser,
  DenoiserStatus,
  FoundText,
  ScoredState,
} from "../denoiser.js";
import type {
  DenoiseRequest,
  DiffusionCache,
  SearchRequest,
  TokenPolicy,
} from "../denoising-request.js";
import type { EngineLink, Remote } from "./engine-link.js";
import { ignoreGone } from "./isolated-sequences.js";
import type { Shown } from "./protocol.js";
import type { Ref } from "./wire.js";

export class IsolatedDenoiser implements Denoiser {
  readonly maskToken: number;
  readonly cache: DiffusionCache;
  readonly #link: EngineLink;
  readonly #remote: Remote;
  #shown: Shown = { progress: 0 };
  #running = 0;
  #isWatched = false;
  #closing: Promise<void> | undefined;

  constructor(link: EngineLink, process: number, opened: unknown) {
    const { ref, maskToken, cache } = opened as {
      ref: Ref;
      maskToken: number;
      cache: DiffusionCache;
    };
    this.#link = link;
    this.#remote = { ref, process };
    this.maskToken = maskToken;
    this.cache = cache;
  }

  denoise(request: DenoiseRequest): Promise<DenoisedText[]> {
    return this.#run("denoise", request);
  }

  search(request: SearchRequest): Promise<FoundText[]> {
    return this.#run("search", request);
  }

  scoreStates(
    prompt: Int32Array,
    states: readonly ScoredState[],
    policy: TokenPolicy,
  ): Promise<Float64Array[]> {
    return this.#call("scoreStates", prompt, states, policy);
  }

  status(): Promise<DenoiserStatus> {
    return this.#call("status");
  }

  /** While it denoises, `progress` and `shown` are up to 50 ms old. */
  get progress(): number {
    this.#watch();
    return this.#shown.progress;
  }

  get shown(): Int32Array {
    this.#watch();
    return this.#shown.shown ?? new Int32Array();
  }

  abort(): void {
    this.#link.tell(this.#remote, "abort");
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#link.forget(this.#remote);
    this.#closing ??= ignoreGone(this.#link.call(this.#remote, "dispose"));
    return this.#closing;
  }

  /** Requests progress reports from the engine's process. It sends none before the first read. */
  #watch(): void {
    if (this.#isWatched || this.#running === 0) return;
    this.#isWatched = true;
    this.#link.tell(this.#remote, "watch");
  }

  async #run<T>(method: "denoise" | "search", request: unknown): Promise<T> {
    this.#running += 1;
    try {
      const watch = (seen: Shown) => {
        this.#shown = { ...this.#shown, ...seen };
      };
      return (await this.#link.call(this.#remote, method, [request], { watch })) as T;
    } finally {
      this.#running -= 1;
    }
  }

  #call<T>(method: string, ...args: readonly unknown[]): Promise<T> {
    return this.#link.call(this.#remote, method, args) as Promise<T>;
  }
}
