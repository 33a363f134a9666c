/** The texts of a tool's arguments that are valid by its JSON schema. */

import { type Grammar, literals, rule } from "../expression.js";
import { textsWithout } from "../free-text.js";
import { writtenTypes } from "../json/alternative.js";
import { isListed } from "../json/disjoint.js";
import { SchemaDocument } from "../json/schema-document.js";
import { schemaGrammar } from "../json/schema-grammar.js";
import { refusal } from "../refusal.js";
import type { ArgumentTexts } from "./call-grammar.js";

/** A tool's name, and the JSON schema of its arguments. */
export interface Parameters {
  name: string;
  schema: Readonly<Record<string, unknown>>;
}

/** Keywords of an object's schema that restrict each property independently of the others. */
const APART = ["type", "properties", "required", "additionalProperties", "$defs", "definitions"];
const SAY_NOTHING = ["$schema", "$id", "$comment", "title", "description", "default", "examples"];
/** Keywords about texts. They aren't supported if the template writes texts without quotes. */
const OF_TEXTS = ["pattern", "format", "minLength", "maxLength"];

/** Compiles the arguments of tools, which are numbered as in the list. */
export function argumentTexts(tools: readonly Parameters[]): ArgumentTexts {
  const toolAt = (tool: number) => tools[tool] as Parameters;
  return {
    object: (tool) => {
      const { name, schema } = toolAt(tool);
      return ofTool(name, () => schemaGrammar({ type: "object", ...schema }));
    },
    parameter: (tool, property, tail) => {
      const { name, schema } = toolAt(tool);
      refuseTogether(name, schema);
      return ofTool(`${name}\`, parameter \`${property}`, () =>
        argumentTextsOf(schema, property, tail),
      );
    },
  };
}

/** Adds the tool's name to a refusal. */
async function ofTool<T>(name: string, compile: () => Promise<T>): Promise<T> {
  try {
    return await compile();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw refusal(
      `Of the tool \`${name}\`: ${error.message}`,
      "another schema of its arguments",
      error,
    );
  }
}

function refuseTogether(name: string, schema: Parameters["schema"]): void {
  const other = Object.keys(schema).find(
    (keyword) => !APART.includes(keyword) && !SAY_NOTHING.includes(keyword),
  );
  if (other === undefined) return;
  throw refusal(
    `The template writes each argument by itself, where the \`${other}\` of the tool \`${name}\` can't be kept`,
    "the same said by the properties alone",
  );
}

/** The texts of one argument between tags: JSON, or a text without quotes. */
async function argumentTextsOf(
  { properties, $defs, definitions }: Parameters["schema"],
  name: string,
  tail: string,
): Promise<{ rules: Grammar; isText: boolean }> {
  const given = (properties as Record<string, object | boolean>)[name] as object | boolean;
  const schema =
    typeof given === "boolean"
      ? given
      : { ...given, ...($defs ? { $defs } : {}), ...(definitions ? { definitions } : {}) };
  const document = await SchemaDocument.open(schema);
  const { root } = document;
  const alternatives = document.alternatives([root]);
  const listed = alternatives.filter(isListed).flatMap(({ parts }) => parts.flatMap(listedIn));
  const types = alternatives.filter((one) => !isListed(one)).flatMap(writtenTypes);
  const hasTexts = types.includes("string") || listed.some((value) => typeof value === "string");
  if (!hasTexts) return { rules: await schemaGrammar(schema), isText: false };
  if (
    types.some((type) => type !== "string") ||
    listed.some((value) => typeof value !== "string")
  ) {
    throw refusal(
      "it may be a text and something else, which the template writes alike",
      "one `type` alone",
    );
  }
  const end = tail.trim();
  if (listed.length > 0 && types.length === 0) {
    const valid = (listed as string[]).filter(
      (value) => document.isValid(root, value) && !value.includes(end) && value.trim() === value,
    );
    return { rules: new Map([["root", literals(valid)]]), isText: true };
  }
  const kept = alternatives.flatMap(({ parts }) =>
    parts.flatMap(({ schema: of }) => Object.keys(of)),
  );
  const lost = kept.find((keyword) => OF_TEXTS.includes(keyword));
  if (lost !== undefined) {
    throw refusal(
      `the template writes texts as they are, where \`${lost}\` can't be kept`,
      "an enum, or the keyword left out",
    );
  }
  return {
    rules: new Map([["root", rule("text-0")], ...textsWithout([end], "text")]),
    isText: true,
  };
}

function listedIn({ schema }: { schema: Record<string, unknown> }): unknown[] {
  if (schema.const !== undefined) return [schema.const];
  return Array.isArray(schema.enum) ? schema.enum : [];
}
