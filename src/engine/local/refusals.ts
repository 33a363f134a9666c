/** What files are refused for, by name, and what to give in their place. */
import path from "node:path";
import { LlamaEtsError } from "../errors.js";
import type { NativeModelInfo } from "./native-model.js";
import { keepsState, whyNotForked } from "./recurrent-state.js";

/** What the addon says of a file (`native/files`), and what to do. */
const FIXES: [RegExp, string][] = [
  [
    /^It is a LoRA adapter/,
    "give the model that it was made for, and the adapter as --lora FILE (`loras` of loadModel)",
  ],
  [/^It is an importance matrix/, "give a model; this file is for llama-quantize"],
  [
    /^It is a projector/,
    "give the language model that it belongs to; images and sounds aren't read",
  ],
  [
    /^It is a draft of/,
    "give the model that it drafts for; --proposal takes a whole, smaller model of the same family",
  ],
  [/^It is a control vector/, "give the model that it was made for; control vectors aren't read"],
  [/^It has a vocabulary and no weights/, "give the file with the model's weights"],
  [/adapter of another model/, "an adapter that was made from this model"],
  [/^Expected a LoRA adapter/, "give a model by -m (`loadModel(path)`), an adapter by --lora"],
  [/^Part \d+ of \d+, .*, is missing/, "download all parts into one directory"],
];

/** What to do about a file that the addon refused. */
export function fixFor(file: string, code: string, reason: string): string | undefined {
  if (code === "ERR_MODEL_TRUNCATED") return "download it again";
  if (/^It is part \d+ of \d+ /.test(reason)) return firstPartOf(file);
  const ofAdapter = /^The adapter .* can't be used: (.*)$/s.exec(reason)?.[1];
  return FIXES.find(([pattern]) => pattern.test(ofAdapter ?? reason))?.[1];
}

/** What to give where a later part of a split model was given. */
function firstPartOf(file: string): string {
  const name = path.basename(file);
  const first = name.replace(/-\d{5}(-of-\d{5}\.gguf)$/i, "-00001$1");
  return first === name ? "its first part" : `give ${path.join(path.dirname(file), first)}`;
}

/** Refuses, by name, what can't be sampled from by forking cached texts. */
export function refuseUnsupported(
  file: string,
  info: NativeModelInfo,
  metadata: Record<string, string>,
): void {
  const architecture = metadata["general.architecture"] ?? "unknown";
  const reason = unsupportedReason(info, metadata, architecture);
  if (reason === undefined) return;
  const isReranker = /reranker/.test(reason);
  throw new LlamaEtsError(
    "ERR_UNSUPPORTED_MODEL",
    `${file} can't be used: its architecture \`${architecture}\` ${reason}`,
    {
      fix: isReranker
        ? "a decoder-only transformer, such as Qwen3, Llama or Gemma; as a reward, --reward model:FILE takes classifiers of Qwen3's architecture"
        : "a decoder-only transformer, such as Qwen3, Llama or Gemma, or a hybrid such as Qwen3.5 or LFM2",
    },
  );
}

/** None, and -1: what llama.cpp's tools write where nothing was said. */
const NO_POOLING = ["0", "-1", "4294967295"];
const RANK_POOLING = "4";

function unsupportedReason(
  info: NativeModelInfo,
  metadata: Record<string, string>,
  architecture: string,
): string | undefined {
  if (keepsState(info)) {
    const reason = whyNotForked(architecture);
    if (reason !== undefined) return reason;
  }
  if (info.isDiffusion) {
    return info.mask === null
      ? "is a diffusion model, but the file names no mask token"
      : undefined;
  }
  if (info.hasEncoder && info.hasDecoder) return "has an encoder and a decoder";
  const pooling = metadata[`${architecture}.pooling_type`];
  const causal = metadata[`${architecture}.attention.causal`];
  if (info.labels.length > 0) return undefined; // judges texts
  const pools = pooling !== undefined && !NO_POOLING.includes(pooling);
  if (info.hasEncoder || causal === "false" || pools) {
    const kind = pooling === RANK_POOLING ? "is a reranker's: it " : "";
    return `${kind}makes embeddings or scores, not text`;
  }
  if (info.vocabSize === 0) return "has no vocabulary";
  return undefined;
}
