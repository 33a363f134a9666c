// Reads and writes GGUF v3, for benchmarks and for tests that need a model with one thing wrong.
import { open } from "node:fs/promises";

/** The value types in the order of their numbers. Arrays have number 9, followed by the 64-bit types. */
const TYPES = ["u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "string"];
const ARRAY = 9;
const WIDE = { u64: 10, i64: 11, f64: 12 };
const SIZES = { u8: 1, i8: 1, bool: 1, u16: 2, i16: 2, u32: 4, i32: 4, f32: 4 };

export const u32 = (value) => ({ type: "u32", value });
export const f32 = (value) => ({ type: "f32", value });
export const flag = (value) => ({ type: "bool", value });
export const text = (value) => ({ type: "string", value });

/**
 * Parses everything before the tensors' data: `metadata` by key, and each tensor's name, shape, type and the
 * `offset` of its data from `dataStart`.
 */
export function parseHeader(file) {
  let at = 8; // after magic and version
  const read = (type) => {
    if (type === "string") {
      const length = Number(read("u64"));
      at += length;
      return file.toString("utf8", at - length, at);
    }
    const size = SIZES[type] ?? 8;
    at += size;
    return readScalar(file, type, at - size, size);
  };
  const size = () => Number(read("u64"));
  const times = (count, make) => Array.from({ length: count }, make);
  const readValue = () => {
    const type = read("u32");
    if (type !== ARRAY) return { type: typeName(type), value: read(typeName(type)) };
    const of = typeName(read("u32"));
    return { type: "array", of, values: times(size(), () => read(of)) };
  };

  const tensorCount = size();
  const metadata = new Map();
  for (let left = size(); left > 0; left--) metadata.set(read("string"), readValue());
  const tensors = times(tensorCount, () => ({
    name: read("string"),
    shape: times(read("u32"), size),
    type: read("u32"),
    offset: size(),
  }));
  const alignment = alignmentOf(metadata);
  return { metadata, tensors, dataStart: Math.ceil(at / alignment) * alignment };
}

/**
 * The header of a model, padded. Each tensor is `{ name, shape, type, bytes }`, `shape` in ggml's
 * order: the length of a row first.
 */
export function encodeHeader(metadata, tensors) {
  const parts = [Buffer.from("GGUF"), encode("u32", 3), encode("u64", tensors.length)];
  parts.push(encode("u64", metadata.size));
  for (const [key, value] of metadata) parts.push(encode("string", key), encodeValue(value));
  const padded = padTo(alignmentOf(metadata));
  let offset = 0;
  for (const { name, shape, type, bytes } of tensors) {
    parts.push(encode("string", name), encode("u32", shape.length));
    parts.push(...shape.map((size) => encode("u64", size)));
    parts.push(encode("u32", type), encode("u64", offset));
    offset += padded.size(bytes);
  }
  return padded.pad(Buffer.concat(parts));
}

/** Writes a model of any size: a tensor's `data()` is called once, when it is written. */
export async function writeGguf(path, metadata, tensors) {
  const { pad } = padTo(alignmentOf(metadata));
  const file = await open(path, "w");
  try {
    await file.write(encodeHeader(metadata, tensors));
    for (const tensor of tensors) await file.write(pad(tensor.data()));
  } finally {
    await file.close();
  }
}

/** Returns functions that round sizes up to the alignment of tensor data, and pad buffers with zeros. */
export function padTo(alignment) {
  const size = (bytes) => Math.ceil(bytes / alignment) * alignment;
  const pad = (buffer) =>
    size(buffer.length) === buffer.length ? buffer : Buffer.concat([buffer], size(buffer.length));
  return { size, pad };
}

export function alignmentOf(metadata) {
  const value = metadata.get("general.alignment");
  return value?.type === "u32" ? value.value : 32;
}

function typeNumber(type) {
  return WIDE[type] ?? TYPES.indexOf(type);
}

function typeName(number) {
  const name = TYPES[number] ?? Object.keys(WIDE)[number - WIDE.u64];
  if (name === undefined) throw new Error(`Not a GGUF value type: ${number}`);
  return name;
}

function encodeValue(value) {
  if (value.type !== "array") {
    return Buffer.concat([encode("u32", typeNumber(value.type)), encode(value.type, value.value)]);
  }
  const { of, values } = value;
  const head = [ARRAY, typeNumber(of)].map((number) => encode("u32", number));
  return Buffer.concat([
    ...head,
    encode("u64", values.length),
    Buffer.concat(values.map((entry) => encode(of, entry))),
  ]);
}

function readScalar(file, type, at, size) {
  if (type === "f32") return file.readFloatLE(at);
  if (type === "f64") return file.readDoubleLE(at);
  if (type === "u64") return file.readBigUInt64LE(at);
  if (type === "i64") return file.readBigInt64LE(at);
  if (type === "bool") return file[at] !== 0;
  return type.startsWith("i") ? file.readIntLE(at, size) : file.readUIntLE(at, size);
}

function encode(type, value) {
  if (type === "string") {
    const bytes = Buffer.from(String(value), "utf8");
    return Buffer.concat([encode("u64", bytes.length), bytes]);
  }
  const out = Buffer.alloc(SIZES[type] ?? 8);
  if (type === "f32") out.writeFloatLE(Number(value));
  else if (type === "f64") out.writeDoubleLE(Number(value));
  else if (type === "u64") out.writeBigUInt64LE(BigInt(value));
  else if (type === "i64") out.writeBigInt64LE(BigInt(value));
  else if (type.startsWith("i")) out.writeIntLE(Number(value), 0, out.length);
  else out.writeUIntLE(Number(value), 0, out.length);
  return out;
}
