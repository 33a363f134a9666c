/** The addon's contexts of diffusion models, as `native/js/diffusion_context.cc` defines them. */
import type { DenoisedText, DenoiserStatus, FoundText } from "../denoiser.js";
import type { DiffusionCache } from "../denoising-request.js";
import type { NativeModel, NativeSampling } from "./native-model.js";

interface NativeDenoising {
  prompt: Int32Array;
  blockLength: number;
  steps: number;
  from: number;
  to: number;
  sampling: NativeSampling;
  key: [number, number];
  remasking: "low-confidence" | "random" | "entropy" | "margin";
  cfgScale: number;
  maxTotalTokens: number;
  timeLimitMs: number | null;
}

export interface NativeDenoiseRequest extends NativeDenoising {
  texts: { tokens: Int32Array; stream: [number, number, number] }[];
  threshold: number | null;
  factor: number | null;
  stopAtEnd: boolean;
}

export interface NativeSearchRequest extends NativeDenoising {
  texts: { tokens: Int32Array; logProb: number }[];
  stream: [number, number, number];
  width: number;
  wanted: number;
}

export interface NativeDiffusionContext {
  /** Returns the mask token. */
  open(
    model: NativeModel,
    options: {
      length: number;
      texts: number;
      cache: DiffusionCache;
      singlePrecision: boolean;
      knowsState: boolean;
      guidance: boolean;
      batchTokens: number;
      threads: number;
    },
  ): Promise<number>;
  denoise(request: NativeDenoiseRequest): Promise<DenoisedText[]>;
  search(request: NativeSearchRequest): Promise<FoundText[]>;
  score(request: {
    prompt: Int32Array;
    states: { tokens: Int32Array; targets: Int32Array }[];
    sampling: NativeSampling;
    cfgScale: number;
  }): Promise<Float64Array[]>;
  status(): Promise<DenoiserStatus>;
  /** The cache of an open context. It is less than requested if the engine's state has an unknown layout. */
  cache(): DiffusionCache;
  progress(): number;
  /** The current state of the latest call's first, or most probable, text. */
  shown(): Int32Array;
  abort(): void;
  close(): Promise<void>;
}
