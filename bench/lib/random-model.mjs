// Creates models of real shapes with random weights, since throughput doesn't depend on the weights.
import { existsSync } from "node:fs";
import { rename } from "node:fs/promises";
import path from "node:path";
import { cacheDirectory } from "../../dist/engine/cache-directory.js";
import { makeDirectory } from "../../dist/engine/make-directory.js";
import { readSourceFile } from "../../dist/engine-build/source-bundle.js";
import { f32, parseHeader, text, u32, writeGguf } from "./gguf.mjs";

const SHAPES = {
  // Qwen3-0.6B's shape, with its real vocabulary of 151,936.
  "qwen3-0.6b": { width: 1024, layers: 28, inner: 3072, heads: 16, kvHeads: 8, head: 128 },
  // A diffusion model of 292 million parameters.
  "llada-0.3b": { width: 896, layers: 16, inner: 2432, heads: 14, kvHeads: 14, head: 64 },
  // For smoke checks: only the vocabulary is large.
  "qwen3-tiny": { width: 64, layers: 2, inner: 192, heads: 4, kvHeads: 2, head: 16 },
  "llada-tiny": { width: 64, layers: 2, inner: 192, heads: 4, kvHeads: 4, head: 16 },
};
const VOCABULARY = 151_936;
const CONTEXT = 40_960;
/** ggml's numbers of the element types. */
const F32 = 0;
const TYPES = { f16: 1, q8_0: 8 };
const FILE_TYPES = { f16: 1, q8_0: 7 };
const Q8_BLOCK = 32;

/** Returns the model's file in the user's cache, and creates it if necessary. */
export async function randomModel(shape, type = "q8_0") {
  const directory = path.join(cacheDirectory(), "models");
  const file = path.join(directory, `random-${shape}-${type}.gguf`);
  if (existsSync(file)) return file;
  console.error(`Making ${file}`);
  await makeDirectory(directory);
  const vocabulary = await readSourceFile("models/ggml-vocab-qwen2.gguf");
  const architecture = shape.split("-")[0];
  const isTokenizers = ([key]) => key.startsWith("tokenizer.");
  const metadata = new Map([
    ...ownEntries(architecture, shape, type),
    ...[...parseHeader(vocabulary).metadata].filter(isTokenizers),
  ]);
  // The last token of the vocabulary is padding and otherwise unused.
  if (architecture === "llada") metadata.set("tokenizer.ggml.mask_token_id", u32(VOCABULARY - 1));
  const partial = `${file}.${process.pid}.partial`;
  await writeGguf(partial, metadata, tensors(architecture, SHAPES[shape], type));
  await rename(partial, file);
  return file;
}

function ownEntries(architecture, shape, type) {
  const { width, layers, inner, heads, kvHeads, head } = SHAPES[shape];
  return [
    ["general.architecture", text(architecture)],
    ["general.name", text(`random ${shape}`)],
    ["general.file_type", u32(FILE_TYPES[type])],
    [`${architecture}.context_length`, u32(CONTEXT)],
    [`${architecture}.embedding_length`, u32(width)],
    [`${architecture}.block_count`, u32(layers)],
    [`${architecture}.feed_forward_length`, u32(inner)],
    [`${architecture}.attention.head_count`, u32(heads)],
    [`${architecture}.attention.head_count_kv`, u32(kvHeads)],
    [`${architecture}.attention.key_length`, u32(head)],
    [`${architecture}.attention.value_length`, u32(head)],
    [`${architecture}.attention.layer_norm_rms_epsilon`, f32(1e-6)],
    [`${architecture}.rope.freq_base`, f32(1e6)],
    [`${architecture}.rope.dimension_count`, u32(head)],
  ];
}

/** The standard deviations keep activations and logits as large as those of a trained model. */
function tensors(architecture, { width, layers, inner, heads, kvHeads, head }, type) {
  const residual = 3 / Math.sqrt(2 * layers);
  const random = randomWords(1);
  const matrix = (name, from, to, gain) =>
    weights(`${name}.weight`, from, to, gain / Math.sqrt(from), type, random);
  const all = [matrix("token_embd", width, VOCABULARY, 2.5), ones("output_norm", width)];
  for (let i = 0; i < layers; i++) {
    const block = `blk.${i}.`;
    all.push(
      ones(`${block}attn_norm`, width),
      ones(`${block}ffn_norm`, width),
      ...(architecture === "qwen3"
        ? [ones(`${block}attn_q_norm`, head), ones(`${block}attn_k_norm`, head)]
        : []),
      matrix(`${block}attn_q`, width, heads * head, 1.5),
      matrix(`${block}attn_k`, width, kvHeads * head, 1.5),
      matrix(`${block}attn_v`, width, kvHeads * head, 1),
      matrix(`${block}attn_output`, heads * head, width, residual),
      matrix(`${block}ffn_gate`, width, inner, 1),
      matrix(`${block}ffn_up`, width, inner, 1),
      matrix(`${block}ffn_down`, inner, width, residual),
    );
  }
  return all;
}

function ones(name, size) {
  const data = () => Buffer.from(new Float32Array(size).fill(1).buffer);
  return { name: `${name}.weight`, shape: [size], type: F32, bytes: size * 4, data };
}

function weights(name, from, to, deviation, type, random) {
  const count = from * to;
  const bytes = type === "f16" ? count * 2 : (count / Q8_BLOCK) * (2 + Q8_BLOCK);
  const data = () => {
    const buffer = Buffer.allocUnsafe(bytes);
    random(buffer);
    if (type === "f16") toHalves(buffer, deviation);
    else setScales(buffer, deviation);
    return buffer;
  };
  return { name, shape: [from, to], type: TYPES[type], bytes, data };
}

/**
 * Converts random bits to halves with random sign and fraction and a fixed exponent: ±[1, 2)·2^e, with root
 * mean square √(7/3)·2^e.
 */
function toHalves(buffer, deviation) {
  const exponent = Math.round(Math.log2(deviation / Math.sqrt(7 / 3))) + 15;
  const halves = new Uint16Array(buffer.buffer, buffer.byteOffset, buffer.length / 2);
  for (let i = 0; i < halves.length; i++) halves[i] = (halves[i] & 0x83ff) | (exponent << 10);
}

/** Sets the scale of each block of 32 random bytes, which are uniform in ±127, for the given deviation. */
function setScales(buffer, deviation) {
  const scale = halfOf((deviation * Math.sqrt(3)) / 127.5);
  for (let at = 0; at < buffer.length; at += 2 + Q8_BLOCK) buffer.writeUInt16LE(scale, at);
}

/** Returns the bits of a positive normal number as a 16-bit float. */
function halfOf(x) {
  const exponent = Math.floor(Math.log2(x));
  return ((exponent + 15) << 10) | Math.floor((x / 2 ** exponent - 1) * 1024);
}

/** Returns a function that fills buffers from one stream of Marsaglia's xorshift32. */
function randomWords(seed) {
  let state = seed;
  return (buffer) => {
    const end = buffer.length - (buffer.length % 4);
    const words = new Int32Array(buffer.buffer, buffer.byteOffset, end / 4);
    for (let i = 0; i < words.length; i++) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      words[i] = state;
    }
    for (let i = end; i < buffer.length; i++) buffer[i] = state & 255;
  };
}
