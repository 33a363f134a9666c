/** The types of cached keys and values. Smaller types take less memory and are less exact. */

/** For each type, the number of values in a block, and the bytes of the block. */
const BLOCKS = {
  f32: { values: 1, bytes: 4 },
  f16: { values: 1, bytes: 2 },
  bf16: { values: 1, bytes: 2 },
  q8_0: { values: 32, bytes: 34 },
  q5_1: { values: 32, bytes: 24 },
  q5_0: { values: 32, bytes: 22 },
  q4_1: { values: 32, bytes: 20 },
  q4_0: { values: 32, bytes: 18 },
  iq4_nl: { values: 32, bytes: 18 },
} as const;

/** Type of cached keys and values. */
export type KvType = keyof typeof BLOCKS;

export const KV_TYPES = Object.keys(BLOCKS) as readonly KvType[];

/** The type without the option `kv`. */
export const DEFAULT_KV_TYPE: KvType = "f16";

/** Number of values in a block. The width of a head must be a multiple of it. */
export function blockOf(type: KvType): number {
  return BLOCKS[type].values;
}

export function bytesPerValue(type: KvType): number {
  return BLOCKS[type].bytes / BLOCKS[type].values;
}

/** Whether a type is quantized. Only flash attention can read quantized keys and values. */
export function isQuantized(type: KvType): boolean {
  return blockOf(type) > 1;
}
