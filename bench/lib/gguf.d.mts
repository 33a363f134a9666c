/** The parts of gguf.mjs that tests use. */
export type ScalarType =
  | ("u8" | "i8" | "u16" | "i16" | "u32" | "i32" | "u64" | "i64")
  | ("f32" | "f64" | "bool" | "string");
export type Scalar = number | boolean | string | bigint;

export type Value =
  | { type: ScalarType; value: Scalar }
  | { type: "array"; of: ScalarType; values: Scalar[] };

interface TensorHead {
  name: string;
  /** The shape in ggml's order: the length of a row comes first. */
  shape: number[];
  type: number;
}

export function u32(value: number): Value;
export function f32(value: number): Value;
export function flag(value: boolean): Value;
export function text(value: string): Value;
export function parseHeader(file: Buffer): {
  metadata: Map<string, Value>;
  tensors: (TensorHead & { offset: number })[];
  dataStart: number;
};
export function encodeHeader(
  metadata: ReadonlyMap<string, Value>,
  tensors: readonly (TensorHead & { bytes: number })[],
): Buffer;
export function padTo(alignment: number): {
  size(bytes: number): number;
  pad(buffer: Buffer): Buffer;
};
export function alignmentOf(metadata: ReadonlyMap<string, Value>): number;
