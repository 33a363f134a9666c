/** Loads a model's file into the engine. It reports its progress, and a signal can cancel it. */
import { codeOf, LlamaEtsError, messageOf } from "../errors.js";
import type { LoadProgress } from "../load-progress.js";
import type { Adapter } from "./model-variants.js";
import { addon } from "./native.js";
import type { NativeModel } from "./native-model.js";
import { fixFor } from "./refusals.js";

interface NativeOptions {
  gpuLayers: number;
  remoteOnly?: boolean;
  cachesDiffusion?: boolean;
  /** Reads only the header and the vocabulary. Such a model can't compute. */
  withoutWeights?: boolean;
  adapters?: readonly Adapter[];
}

/** Loads a model. Rejects with the addon's error codes, or with the signal's reason. */
export async function loadNative(
  file: string,
  { gpuLayers, adapters = [], ...options }: NativeOptions,
  onProgress: (progress: LoadProgress) => void = () => {},
  signal?: AbortSignal,
): Promise<NativeModel> {
  let failure: { error: unknown } | undefined;
  let reported = -1;
  // The addon may call this late, even after its promise has settled. It must not get an exception.
  const report = (progress: number) => {
    if (progress <= reported) return;
    reported = progress;
    try {
      onProgress({ phase: "load", progress });
    } catch (error) {
      failure ??= { error };
      loading.cancel();
    }
  };
  const loading = addon().loadModel({
    path: file,
    adapters: adapters.map(({ path, scale }) => ({ path, scale })),
    gpuLayers,
    cachesDiffusion: false,
    ...options,
    onProgress: report,
  });
  report(0);
  signal?.addEventListener("abort", loading.cancel, { once: true });
  try {
    const model = await loading.promise;
    report(1);
    if (failure === undefined) return model;
    model.close();
    throw failure.error;
  } catch (error) {
    reported = 1; // suppresses later reports
    signal?.throwIfAborted();
    if (failure !== undefined) throw failure.error;
    const refusal = codeOf(error);
    if (refusal === undefined) throw error;
    const reason = messageOf(error);
    const fix = fixFor(file, refusal, reason);
    throw new LlamaEtsError(
      refusal as LlamaEtsError["code"],
      `${file} could not be loaded: ${reason}`,
      { cause: error, ...(fix !== undefined && { fix }) },
    );
  } finally {
    signal?.removeEventListener("abort", loading.cancel);
  }
}
