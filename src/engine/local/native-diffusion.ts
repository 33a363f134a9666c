/** The addon's contexts of diffusion models, as `native/js/diffusion_context.cc` defines them. */
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

export interface NativeDenoisedText {
  /** All positions, the mask token where they were not unmasked. */
  tokens: Int32Array;
  /** The step that unmasked each position; -1 where this call did not. */
  order: Int32Array;
  /** Under the policy, when it was unmasked (nats, fp64); NaN where `order` is -1. */
  logProbs: Float64Array;
  /** As `logProbs`, under the model's own distribution without the mask token. */
  rawLogProbs: Float64Array;
  /** Steps done in this call; with `parallel`, passes. */
  steps: number;
  finish: "end" | "length" | "schedule" | "budget";
}

export interface NativeFoundText extends NativeDenoisedText {
  /** Of all that is unmasked, under the policy (nats, fp64). */
  logProb: number;
  /** The text of the call that it was. */
  origin: number;
}

/** Passes and time since the context was made. */
export interface DiffusionStatus {
  /** Texts that went through the model: `fullPasses` whole, `blockPasses` from a block on. */
  fullPasses: number;
  blockPasses: number;
  /** Tokens of these passes. */
  positions: number;
  unmasked: number;
  scored: number;
  /** Texts that got their pass from another in the same state. */
  shared: number;
  decodes: number;
  /** Nanoseconds in the engine, until a batch's logits are there. */
  decodeNs: number;
  /** Nanoseconds of drawing and scoring tokens from logits. */
  samplingNs: number;
  /** Nanoseconds of the whole of `denoise`, `search` and `score` calls on the engine thread. */
  callNs: number;
}

export interface NativeDiffusionContext {
  /** Returns the mask token. */
  open(
    model: NativeModel,
    options: {
      length: number;
      texts: number;
      cache: "none" | "prefix" | "dual";
      singlePrecision: boolean;
      knowsState: boolean;
      guidance: boolean;
      batchTokens: number;
      threads: number;
    },
  ): Promise<number>;
  denoise(request: NativeDenoiseRequest): Promise<NativeDenoisedText[]>;
  search(request: NativeSearchRequest): Promise<NativeFoundText[]>;
  score(request: {
    prompt: Int32Array;
    states: { tokens: Int32Array; targets: Int32Array }[];
    sampling: NativeSampling;
    cfgScale: number;
  }): Promise<Float64Array[]>;
  status(): Promise<DiffusionStatus>;
  /** What an open context keeps: not what was asked for where the engine's state is unknown. */
  cache(): "none" | "prefix" | "dual";
  progress(): number;
  /** The first text of the latest `denoise`, as far as it is unmasked. */
  shown(): Int32Array;
  abort(): void;
  close(): Promise<void>;
}
