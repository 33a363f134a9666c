/**
 * Hybrid and recurrent models: layers that keep a state of fixed size for each text, in the place of
 * keys and values for each token. A fork at the end of a text copies the state; no text can be cut
 * back.
 */
import {
  architectureOf,
  at,
  kvHeadsOf,
  type ModelShape,
  mostHeads,
  numbersOf,
} from "./model-shape.js";
import type { NativeModelInfo } from "./native-model.js";

/**
 * Architectures whose forks, decoded together with others, freed and forked again, gave what each
 * text gives alone.
 */
const PROVEN = new Set([
  ...["falcon-h1", "granitehybrid", "jamba", "kimi-linear", "lfm2", "lfm2moe", "mamba", "mamba2"],
  ...["nemotron_h", "qwen35", "qwen35moe", "qwen3next"],
]);

/** Those whose forks failed, and how. */
const FAILED: Record<string, string> = {
  deepseek4: "gives wrong probabilities once forks of its texts were freed and made anew",
  plamo2: "ends the process when its texts are decoded",
};

/** Whether texts keep a recurrent state, which can't be cut back. */
export function keepsState({
  isHybrid,
  isRecurrent,
}: Pick<NativeModelInfo, "isHybrid" | "isRecurrent">): boolean {
  return isHybrid || isRecurrent;
}

/** Why forks of a hybrid or recurrent model can't be relied on; undefined: they can. */
export function whyNotForked(architecture: string): string | undefined {
  if (PROVEN.has(architecture)) return undefined;
  return FAILED[architecture] ?? "keeps a recurrent state, and forks of it were not proven";
}

/** Bytes of the states of one sequence over all layers, which llama.cpp keeps in 32-bit floats. */
export function bytesPerState(model: ModelShape): number {
  if (!keepsState(model.info)) return 0;
  const layers = Array.from({ length: model.info.layers }, (_, layer) => layer);
  return layers.filter((layer) => isRecurrent(model, layer)).length * bytesPerLayerState(model);
}

/** llama.cpp's `n_embd_r` and `n_embd_s`: the last inputs of a convolution, and what is summed up. */
function bytesPerLayerState(model: ModelShape): number {
  const number = (key: string) => numbersOf(model, key, 0)[0] as number;
  const summed = number("ssm.state_size") * number("ssm.inner_size");
  const taps = number("ssm.conv_kernel");
  const shortTaps = number("shortconv.l_cache");
  if (shortTaps > 0) return 4 * (model.info.embeddingSize * (shortTaps - 1) + summed);
  const head = number("kda.head_dim");
  if (head > 0) {
    const width = mostHeads(model) * head;
    return 4 * (3 * (taps > 0 ? taps - 1 : 3) * width + head * width);
  }
  const width = number("ssm.inner_size") + 2 * number("ssm.group_count") * number("ssm.state_size");
  return 4 * (Math.max(0, taps - 1) * width + summed);
}

/** Whether a layer keeps keys and values. */
export function hasAttention(model: ModelShape, layer: number): boolean {
  const { isHybrid, isRecurrent: isWhollyRecurrent } = model.info;
  if (isWhollyRecurrent) return false;
  if (!isHybrid || architectureOf(model) === "falcon-h1") return true;
  return !isRecurrent(model, layer) && !isFeedForward(model, layer);
}

function isRecurrent(model: ModelShape, layer: number): boolean {
  const architecture = architectureOf(model);
  if (model.info.isRecurrent || architecture === "falcon-h1") return true;
  if (architecture.startsWith("qwen3")) {
    const [interval = 4] = numbersOf(model, "full_attention_interval", 4);
    const own = numbersOf(model, "attention.recurrent_layers", -1);
    return own[0] === -1 ? (layer + 1) % interval !== 0 : at(own, layer) > 0;
  }
  return at(kvHeadsOf(model), layer) === 0 && !isFeedForward(model, layer);
}

/** A layer of Nemotron-H is one of three kinds, and keeps nothing where it is this one. */
function isFeedForward(model: ModelShape, layer: number): boolean {
  if (architectureOf(model) !== "nemotron_h") return false;
  return at(numbersOf(model, "feed_forward_length", 0), layer) > 0;
}
