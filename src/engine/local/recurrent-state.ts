/**
 * Hybrid and recurrent models. Their recurrent layers keep a state of fixed size for each text, instead
 * of keys and values for each token. A fork copies the state at the end of the text. Texts can't be
 * truncated.
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

const F32 = 4;

/**
 * Architectures whose forks are proven: in tests that decoded forks together, freed them and forked
 * again, each text gave the same results as alone.
 */
const PROVEN = new Set([
  "falcon-h1",
  "granitehybrid",
  "jamba",
  "kimi-linear",
  "lfm2",
  "lfm2moe",
  "mamba",
  "mamba2",
  "nemotron_h",
  "qwen35",
  "qwen35moe",
  "qwen3next",
]);

/** Whether texts keep a recurrent state, which can't be truncated. */
export function keepsState({
  isHybrid,
  isRecurrent,
}: Pick<NativeModelInfo, "isHybrid" | "isRecurrent">): boolean {
  return isHybrid || isRecurrent;
}

/**
 * Whether texts can be truncated to any length. Recurrent states can't, and neither can texts of a model
 * with a sliding window, even though its cache has full size: llama.cpp reuses the cells that have left
 * the window.
 */
export function canCut(
  info: Pick<NativeModelInfo, "isHybrid" | "isRecurrent" | "slidingWindow">,
): boolean {
  return !keepsState(info) && info.slidingWindow === 0;
}

/** Whether forks of a hybrid or recurrent architecture are known to be correct. */
export function isKnownToFork(architecture: string): boolean {
  return PROVEN.has(architecture);
}

/** Bytes of the states of one sequence over all layers, which llama.cpp keeps in 32-bit floats. */
export function bytesPerState(model: ModelShape): number {
  if (!keepsState(model.info)) return 0;
  const layers = Array.from({ length: model.info.layers }, (_, layer) => layer);
  return layers.filter((layer) => isRecurrent(model, layer)).length * bytesPerLayerState(model);
}

/** Numbers of elements in one recurrent layer. */
interface Widths {
  /** Outputs of the layer for each token. */
  inner: number;
  /** Inputs of its convolution for each token. */
  convolved: number;
  /** Last inputs of the convolution, which are part of the state (llama.cpp's `n_embd_r`). */
  lastInputs: number;
  /** The part of the state that accumulates over the text (llama.cpp's `n_embd_s`). */
  summed: number;
}

function widthsOf(model: ModelShape): Widths {
  const number = (key: string) => numbersOf(model, key, 0)[0] as number;
  const { embeddingSize } = model.info;
  const inner = number("ssm.inner_size");
  const size = number("ssm.state_size");
  const taps = number("ssm.conv_kernel");
  const shortTaps = number("shortconv.l_cache");
  if (shortTaps > 0) {
    const lastInputs = embeddingSize * (shortTaps - 1);
    return { inner: embeddingSize, convolved: embeddingSize, lastInputs, summed: size * inner };
  }
  const head = number("kda.head_dim");
  if (head > 0) {
    const width = mostHeads(model) * head;
    const lastInputs = 3 * width * (taps > 0 ? taps - 1 : 3);
    return { inner: width, convolved: 3 * width, lastInputs, summed: head * width };
  }
  if (architectureOf(model) === "minimax-01") {
    const width = mostHeads(model) * number("attention.key_length");
    return {
      inner: width,
      convolved: 0,
      lastInputs: 0,
      summed: number("attention.key_length") * width,
    };
  }
  const convolved = inner + 2 * number("ssm.group_count") * size;
  return { inner, convolved, lastInputs: Math.max(0, taps - 1) * convolved, summed: size * inner };
}

function bytesPerLayerState(model: ModelShape): number {
  const { lastInputs, summed } = widthsOf(model);
  return F32 * (lastInputs + summed);
}

/**
 * Bytes of a recurrent layer's activations: its input, the convolution's inputs and outputs, the layer's
 * output, and the states of the batch's texts. The accumulated part of a state counts twice, because its
 * old and new values are in memory together.
 */
export function mixingBytes(
  model: ModelShape,
  { tokens, sequences }: { tokens: number; sequences: number },
): number {
  if (!keepsState(model.info)) return 0;
  const { inner, convolved, lastInputs, summed } = widthsOf(model);
  const perToken = 2 * inner + 3 * convolved + model.info.embeddingSize;
  return F32 * (tokens * perToken + Math.min(tokens, sequences) * (lastInputs + 2 * summed));
}

/** Whether a layer has attention, and so keeps keys and values. */
export function hasAttention(model: ModelShape, layer: number): boolean {
  const { isHybrid, isRecurrent: isWhollyRecurrent } = model.info;
  if (isWhollyRecurrent) return false;
  if (!isHybrid || architectureOf(model) === "falcon-h1") return true;
  return !isRecurrent(model, layer) && !isFeedForward(model, layer);
}

/**
 * By architecture, the interval n by which every n-th layer has attention, unless the file says
 * otherwise. The other layers have a recurrent state.
 */
const INTERVALS: Readonly<Record<string, number>> = {
  qwen3next: 4,
  qwen35: 4,
  qwen35moe: 4,
  qwen4exp: 4,
  "minimax-01": 8,
};

function isRecurrent(model: ModelShape, layer: number): boolean {
  const architecture = architectureOf(model);
  if (model.info.isRecurrent || architecture === "falcon-h1") return true;
  const usual = INTERVALS[architecture];
  if (usual !== undefined) {
    const [interval = usual] = numbersOf(model, "full_attention_interval", usual);
    const own = numbersOf(model, "attention.recurrent_layers", -1);
    return own[0] === -1 ? (layer + 1) % interval !== 0 : at(own, layer) > 0;
  }
  return at(kvHeadsOf(model), layer) === 0 && !isFeedForward(model, layer);
}

/** Whether a layer of Nemotron-H is a feed-forward layer, which keeps neither keys and values nor a state. */
function isFeedForward(model: ModelShape, layer: number): boolean {
  if (!architectureOf(model).startsWith("nemotron_h")) return false;
  return at(numbersOf(model, "feed_forward_length", 0), layer) > 0;
}
