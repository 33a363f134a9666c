/**
 * Encodes plain values as bytes, so that the thread between app and engine forwards them unread. The bytes
 * of all typed arrays follow the serialized value in one block: Node's serializer would call JavaScript for
 * each of them. Objects that stay in the engine's process are encoded as references.
 */
import { deserialize, serialize } from "node:v8";

/** The number of an object in the engine's process. */
export type Ref = number;

// References and typed arrays are encoded as maps of one entry. Requests contain no maps otherwise, and no
// JSON text can create one.
const REF = "object";
const LIST = "list";
const KINDS = [Int32Array, Float64Array, Float32Array, Uint8Array];
type List = InstanceType<(typeof KINDS)[number]>;

/** Bytes of the header before the value: the offset at which the typed arrays begin. */
const HEAD = 4;

/**
 * Throws what `serialize` throws for values that can't be cloned.
 *
 * @param refOf the reference of an object that stays in the engine's process; undefined for others
 */
export function encode(
  value: unknown,
  refOf: (value: object) => Ref | undefined = () => undefined,
): Uint8Array {
  const lists: List[] = [];
  let size = 0;
  const packed = (one: unknown): unknown => {
    if (typeof one !== "object" || one === null) return one;
    if (ArrayBuffer.isView(one)) {
      const kind = KINDS.indexOf(one.constructor as never);
      if (kind < 0) return one;
      lists.push(one as List);
      const start = size;
      size += one.byteLength;
      return new Map([[LIST, [kind, start, one.byteLength]]]);
    }
    if (Array.isArray(one)) return one.map(packed);
    const ref = refOf(one);
    return ref === undefined ? mapped(one, packed) : new Map([[REF, ref]]);
  };
  const tree = serialize(packed(value));
  const bytes = new Uint8Array(HEAD + tree.length + size);
  new DataView(bytes.buffer).setUint32(0, HEAD + tree.length);
  bytes.set(tree, HEAD);
  let at = HEAD + tree.length;
  for (const { buffer, byteOffset, byteLength } of lists) {
    bytes.set(new Uint8Array(buffer, byteOffset, byteLength), at);
    at += byteLength;
  }
  return bytes;
}

/** @param objectOf the object to put in the place of a reference */
export function decode(
  bytes: Uint8Array,
  objectOf: (ref: Ref) => unknown = () => undefined,
): unknown {
  const { buffer, byteOffset, byteLength } = bytes;
  const lists = new DataView(buffer, byteOffset, byteLength).getUint32(0);
  const unpacked = (one: unknown): unknown => {
    if (typeof one !== "object" || one === null || ArrayBuffer.isView(one)) return one;
    if (Array.isArray(one)) return one.map(unpacked);
    if (!(one instanceof Map)) return mapped(one, unpacked);
    if (one.has(REF)) return objectOf(one.get(REF));
    const [kind, start, length] = one.get(LIST) as [number, number, number];
    const from = byteOffset + lists + start;
    return new (KINDS[kind] as (typeof KINDS)[number])(buffer.slice(from, from + length) as never);
  };
  return unpacked(deserialize(bytes.subarray(HEAD, lists)));
}

/** Converts the fields of a plain object. Any other object is returned unchanged. */
function mapped(value: object, of: (one: unknown) => unknown): unknown {
  if (Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, of(one)]));
}
