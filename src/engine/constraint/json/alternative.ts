/** Alternatives: lists of schemas without combining keywords, all of which must hold. */
import type { AnySchemaObject } from "ajv";
import { type Type, typeOfKeyword } from "./keywords.js";

/** A schema within the document. */
export interface Part {
  schema: AnySchemaObject | boolean;
  /** Its JSON pointer; `#` is the whole document. */
  pointer: string;
}

/** Schemas without combining keywords, all of which must hold. */
export interface Alternative {
  parts: readonly { schema: AnySchemaObject; pointer: string }[];
  types: ReadonlySet<Type>;
  /** Whether numbers must be integers. */
  isWhole: boolean;
  /** Whether the keyword `type` has restricted `types`. */
  isTyped: boolean;
}

/** The types of the written values. Without `type`, they are the types that the other keywords are about. */
export function writtenTypes({ parts, types, isTyped }: Alternative): Type[] {
  const told = new Set(parts.flatMap(({ schema }) => Object.keys(schema).map(typeOfKeyword)));
  const isFormatted = parts.some(({ schema }) => schema.format !== undefined);
  if (isFormatted) told.add("string");
  told.delete(undefined);
  const all = [...types];
  return isTyped || told.size === 0 ? all : all.filter((type) => told.has(type));
}

export function each(schemas: unknown, pointer: string): Part[] {
  if (!Array.isArray(schemas)) return [];
  return schemas.map((schema, i) => ({ schema, pointer: `${pointer}/${i}` }));
}

/** Appends a name to a JSON pointer. */
export function step(pointer: string, name: string): string {
  return `${pointer}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
}
