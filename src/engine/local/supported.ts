/** Refuses, by name, the models whose texts can't be drawn by forking cached texts. */
import { refuseTooLong } from "../context-length.js";
import type { DenoiserOptions } from "../denoiser.js";
import { partFiles } from "../download/address.js";
import type { Model } from "../engine.js";
import { LlamaEtsError } from "../errors.js";
import { architectureOf } from "./model-shape.js";
import type { NativeModelInfo } from "./native-model.js";

type Metadata = Record<string, string>;

interface Refusal {
  reason: string;
  fix?: string;
}

const FIX =
  "a decoder-only transformer, such as Qwen3, Llama or Gemma, or a hybrid such as Qwen3.5 or LFM2";

/**
 * Architectures that this release of llama.cpp computes wrongly, and the fault. They are refused by name,
 * because the probe of forks can't find all these faults: one crashes the process, and another is too
 * rare.
 */
const FAULTS: Record<string, string> = {
  cogvlm: "gives the probabilities behind a batch's first token as those behind its last",
  deepseek4: "gives wrong probabilities once forks of its texts were freed and made anew",
  plamo2: "ends the process when its texts are decoded",
};

/** Pooling types that mean no pooling. llama.cpp's tools write -1 if none was specified. */
const NO_POOLING = ["0", "-1", "4294967295"];

const RANK_POOLING = "4";

/** The known fault of llama.cpp with an architecture; undefined if there is none. */
export function faultOf(architecture: string): string | undefined {
  return Object.hasOwn(FAULTS, architecture) ? FAULTS[architecture] : undefined;
}

/** Throws `ERR_UNSUPPORTED_MODEL` if this package can't use the model. */
export function refuseUnsupported(file: string, info: NativeModelInfo, metadata: Metadata): void {
  const refusal = refusalOf(info, metadata);
  if (refusal !== undefined) refuse(file, metadata, refusal);
}

/** Throws `ERR_UNSUPPORTED_MODEL` for a hybrid or recurrent model whose forks were not proven. */
export function refuseUnproven(file: string, metadata: Metadata): never {
  refuse(file, metadata, {
    reason: "keeps a recurrent state, and forks of its texts were not proven here",
    fix: `\`llama-ets doctor -m ${file}\`, which proves them once; or ${FIX}`,
  });
}

function refuse(file: string, metadata: Metadata, { reason, fix = FIX }: Refusal): never {
  throw new LlamaEtsError(
    "ERR_UNSUPPORTED_MODEL",
    `${file} can't be used: its architecture \`${architectureOf({ metadata })}\` ${reason}`,
    { fix },
  );
}

function refusalOf(info: NativeModelInfo, metadata: Metadata): Refusal | undefined {
  const architecture = architectureOf({ metadata });
  const fault = faultOf(architecture);
  if (fault !== undefined) return { reason: fault };
  if (info.isDiffusion) {
    if (info.mask !== null) return undefined;
    return {
      reason: "is a diffusion model's, and the file names no mask token",
      fix: "a file that was converted with its `tokenizer.ggml.mask_token_id`",
    };
  }
  if (info.hasEncoder && info.hasDecoder) return { reason: "has an encoder and a decoder" };
  if (info.labels.length > 0) return undefined; // a classifier
  const pooling = metadata[`${architecture}.pooling_type`];
  const pools = pooling !== undefined && !NO_POOLING.includes(pooling);
  if (info.hasEncoder || metadata[`${architecture}.attention.causal`] === "false" || pools) {
    if (pooling !== RANK_POOLING) return { reason: "makes embeddings or scores, not text" };
    return {
      reason: "is a reranker's: it makes embeddings or scores, not text",
      fix: `${FIX}; as a reward, --reward model:FILE takes classifiers of Qwen3's architecture`,
    };
  }
  if (info.vocabSize === 0) return { reason: "has no vocabulary" };
  return undefined;
}

type Asked = Pick<Model, "kind" | "path" | "info">;

/** Throws `ERR_UNSUPPORTED_MODEL` for a model that can't extend texts. */
export function refuseExtending({ kind, path, info }: Asked): void {
  if (info.labels.length > 0) {
    throw new LlamaEtsError(
      "ERR_UNSUPPORTED_MODEL",
      `${path} is a classifier: it judges texts and writes none`,
      { fix: "it as a reward, `rewardModel(model)` or --reward model:FILE" },
    );
  }
  if (kind === "autoregressive") return;
  throw new LlamaEtsError(
    "ERR_UNSUPPORTED_MODEL",
    `${path} is a diffusion model: it fills in masks and extends no text`,
    { fix: "an autoregressive model, such as Qwen3, Llama or Gemma" },
  );
}

/**
 * Throws `ERR_UNSUPPORTED_MODEL` for a model that can't denoise texts, or not with this cache, and
 * `ERR_CONTEXT_FULL` for texts that are too long.
 */
export function refuseDenoising(
  { kind, path, info }: Asked,
  { length, cache = "none" }: Pick<DenoiserOptions, "length" | "cache">,
): void {
  if (kind !== "diffusion") {
    throw new LlamaEtsError(
      "ERR_UNSUPPORTED_MODEL",
      `${path} is autoregressive: it extends texts and fills in no masks`,
      { fix: "a diffusion model, such as LLaDA or Dream" },
    );
  }
  refuseTooLong(info, { promptTokens: 0, maxTokens: length });
  if (cache !== "none" && partFiles(path).length > 1) {
    throw new LlamaEtsError(
      "ERR_UNSUPPORTED_MODEL",
      `${path} lies in several files: caches need a diffusion model in one`,
      { fix: '`cache: "none"`, or one file, by llama-gguf-split --merge' },
    );
  }
}
