/**
 * The second copy of a diffusion model's weights: llama.cpp keeps the keys and values of its texts only
 * under another architecture, as which the file is read anew.
 */
import type { NativeModel } from "./native-model.js";

export class DenoisingCopy {
  readonly #load: () => Promise<NativeModel>;
  #loading: Promise<NativeModel> | undefined;
  #isLoaded = false;

  /** @param load reads the file; called when the copy is first needed */
  constructor(load: () => Promise<NativeModel>) {
    this.#load = load;
  }

  /** Whether it is in memory. */
  get isLoaded(): boolean {
    return this.#isLoaded;
  }

  /** The copy, which is read once. A failure is forgotten: the next call may succeed. */
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
