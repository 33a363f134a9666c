/** Schemas without combining keywords, which all hold. */
import type { AnySchemaObject } from "ajv";
import { type Type, typeOfKeyword } from "./keywords.js";

/** A part of the document. */
export interface Part {
  schema: AnySchemaObject | boolean;
  /** JSON pointer, `#` for the whole. */
  pointer: string;
}

/** Schemas that all hold, without combining keywords. */
export interface Alternative {
  parts: readonly { schema: AnySchemaObject; pointer: string }[];
  types: ReadonlySet<Type>;
  /** Whether numbers are to be whole. */
  isWhole: boolean;
  /** Whether `type` says so, and not the keywords alone. */
  isTyped: boolean;
}

/** The types that an alternative is written in: where `type` is missing, its keywords tell. */
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

/** A pointer's next step. */
export function step(pointer: string, name: string): string {
  return `${pointer}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
}
