/**
 * The second copy of a diffusion model's weights. llama.cpp caches the keys and values of its texts
 * only under another architecture, so the file is loaded a second time under that architecture.
 */
import type { NativeModel } from "./native-model.js";

/** Loads the second copy on first use, and frees it. */
export class DenoisingCopy {
  readonly #load: () => Promise<NativeModel>;
  #loading: Promise<NativeModel> | undefined;
  #isLoaded = false;

  /** @param load loads the file; it is called when the copy is first needed */
  constructor(load: () => Promise<NativeModel>) {
    this.#load = load;
  }

  /** Whether the copy is in memory. */
  get isLoaded(): boolean {
    return this.#isLoaded;
  }

  /** Loads the copy, only once. After a failure, the next call tries again. */
  async get(): Promise<NativeModel> {
    this.#loading ??= this.#load();
    const loading = this.#loading;
    try {
      const native = await loading;
      this.#isLoaded = true;
      return native;
    } catch (error) {
      if (this.#loading === loading) this.#loading = undefined;
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const native = await this.#loading?.catch(() => undefined);
    native?.close();
  }
}
