// GGUF v3, as much as a random model needs: metadata is carried over as raw bytes.
import { open } from "node:fs/promises";

const U32 = 4;
const F32 = 6;
const BOOL = 7;
const STRING = 8;
const ARRAY = 9;
const SIZES = { 0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8 };
const ALIGNMENT = 32;

/** The metadata entries whose key begins with `prefix`: each key, type and value, as stored. */
export function rawEntries(file, prefix) {
  let at = 16;
  const take = (bytes) => {
    at += bytes;
    return file.subarray(at - bytes, at);
  };
  const size = () => Number(take(8).readBigUInt64LE());
  const skip = (type) => {
    if (type === STRING) take(size());
    else take(SIZES[type]);
  };
  const entries = [];
  for (let left = size(); left > 0; left--) {
    const start = at;
    const key = take(size()).toString();
    const type = take(4).readUInt32LE();
    if (type === ARRAY) {
      const of = take(4).readUInt32LE();
      for (let count = size(); count > 0; count--) skip(of);
    } else skip(type);
    if (key.startsWith(prefix)) entries.push(file.subarray(start, at));
  }
  return entries;
}

/** One metadata entry: integers as u32, other numbers as f32 where `float`, booleans, texts. */
export function entry(key, value, { float = false } = {}) {
  if (typeof value === "string") return Buffer.concat([text(key), u32(STRING), text(value)]);
  if (typeof value === "boolean") {
    return Buffer.concat([text(key), u32(BOOL), Buffer.of(value ? 1 : 0)]);
  }
  if (!float) return Buffer.concat([text(key), u32(U32), u32(value)]);
  const number = Buffer.alloc(4);
  number.writeFloatLE(value);
  return Buffer.concat([text(key), u32(F32), number]);
}

/**
 * Writes a model. Each tensor is `{ name, shape, type, bytes, data() }`, `shape` in ggml's order
 * (the length of a row first), `data` called once, when it is written.
 */
export async function writeGguf(path, entries, tensors) {
  const parts = [Buffer.from("GGUF"), u32(3), u64(tensors.length), u64(entries.length), ...entries];
  let offset = 0;
  for (const { name, shape, type, bytes } of tensors) {
    parts.push(text(name), u32(shape.length), ...shape.map(u64), u32(type), u64(offset));
    offset += padded(bytes);
  }
  const file = await open(path, "w");
  try {
    await file.write(pad(Buffer.concat(parts)));
    for (const tensor of tensors) await file.write(pad(tensor.data()));
  } finally {
    await file.close();
  }
}

function padded(bytes) {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

function pad(buffer) {
  const size = padded(buffer.length);
  return size === buffer.length ? buffer : Buffer.concat([buffer], size);
}

function u32(value) {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32LE(value);
  return buffer;
}

function u64(value) {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64LE(BigInt(value));
  return buffer;
}

function text(value) {
  const bytes = Buffer.from(value);
  return Buffer.concat([u64(bytes.length), bytes]);
}
