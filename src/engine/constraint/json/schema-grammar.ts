/** Converts JSON schemas to grammars. All texts of the grammar are valid by the schema. */
import { rulesThatEnd } from "../check-rules.js";
import {
  choice,
  EMPTY,
  type Expression,
  type Grammar,
  isNever,
  literals,
  NEVER,
  repeat,
  rule,
  sequence,
  set,
  text,
} from "../expression.js";
import { pruned } from "../pruned.js";
import { readInTime, refusal } from "../refusal.js";
import { type Alternative, type Part, writtenTypes } from "./alternative.js";
import { arrayTexts } from "./array-texts.js";
import { bracketed, list, SPACE, type Values } from "./containers.js";
import { isListed } from "./disjoint.js";
import { cureFor, type Type, unsupportedFor } from "./keywords.js";
import { numberTexts } from "./number-bounds.js";
import { ANY_NUMBER } from "./number-texts.js";
import { objectTexts } from "./object-texts.js";
import { SchemaDocument } from "./schema-document.js";
import { stringTexts } from "./string-bounds.js";
import { ANY_CHARACTER } from "./string-texts.js";

const INDENT = set([
  [0x09, 0x09],
  [0x20, 0x20],
]);
const MAX_INDENT = 60;
const MAX_RULES = 5000;
/** The most listed values of a schema. Each is validated. */
const MAX_LISTED = 10_000;

/**
 * A grammar of values that are valid by a schema, with the rule `root`.
 *
 * @throws LlamaEtsError `ERR_CONSTRAINT` for a malformed schema, one that no value can meet, or one that
 *   a grammar can't express
 */
export async function schemaGrammar(schema: unknown): Promise<Grammar> {
  const document = await SchemaDocument.open(schema);
  return readInTime("The JSON schema", () => new SchemaGrammar(document).build());
}

class SchemaGrammar implements Values {
  readonly #document: SchemaDocument;
  readonly #rules: Grammar = new Map();
  readonly #names = new Map<string, string>();
  /** Pointers of the schemas by which no value is valid. */
  readonly #impossible: string[] = [];

  constructor(document: SchemaDocument) {
    this.#document = document;
  }

  build(): Grammar {
    this.#rules.set("root", NEVER); // makes `root` the first rule
    this.#rules.set("root", this.of([this.#document.root]));
    this.#rules.set(
      "space",
      choice([EMPTY, text(" "), sequence(text("\n"), repeat(INDENT, 0, MAX_INDENT))]),
    );
    const ending = rulesThatEnd(this.#rules);
    if (!ending.has("root")) {
      const [where] = this.#impossible;
      throw refusal(
        where === undefined
          ? "No value is valid by the JSON schema: it contains itself without end"
          : `No value is valid by the JSON schema at ${where}: its bounds, types or lists exclude each other`,
        "a schema that an example of yours is valid by",
      );
    }
    return pruned(this.#rules, ending);
  }

  isValid(part: Part, value: unknown): boolean {
    return this.#document.isValid(part, value);
  }

  of(parts: readonly Part[]): Expression {
    const needed = parts.filter(({ schema }) => schema !== true && !isEmptySchema(schema));
    const nothing = needed.find(({ schema }) => schema === false);
    if (nothing !== undefined) {
      this.#impossible.push(nothing.pointer);
      return NEVER;
    }
    if (needed.length === 0) return this.#any();
    const key = [...new Set(needed.map(({ pointer }) => pointer))].sort().join(" ");
    const there = this.#names.get(key);
    if (there !== undefined) return rule(there);
    if (this.#names.size >= MAX_RULES) {
      throw refusal(
        `The JSON schema makes more than ${MAX_RULES} rules`,
        "fewer allOf, or a smaller schema",
      );
    }
    const name = `${nameOf(key)}-${this.#names.size}`;
    this.#names.set(key, name);
    this.#rules.set(name, NEVER);
    this.#rules.set(name, this.#written(needed));
    return rule(name);
  }

  #written(parts: readonly Part[]): Expression {
    const alternatives = this.#document.alternatives(parts);
    const listed = alternatives.filter(isListed).flatMap(listedValues);
    if (listed.length > MAX_LISTED) {
      throw refusal(
        `The JSON schema at ${parts[0]?.pointer} lists more than ${MAX_LISTED} values`,
        "a type with bounds, or a pattern",
      );
    }
    const values = listed.filter((value) => parts.every((part) => this.isValid(part, value)));
    const others = alternatives.filter((alternative) => !isListed(alternative));
    const written = choice([
      literalValues(values),
      ...others.flatMap((alternative) =>
        writtenTypes(alternative).map((type) => this.#ofType(type, alternative, parts)),
      ),
    ]);
    if (isNever(written)) this.#impossible.push(parts.map(({ pointer }) => pointer).join(" and "));
    return written;
  }

  #ofType(type: Type, alternative: Alternative, parts: readonly Part[]): Expression {
    refuseUnsupported(type, alternative);
    switch (type) {
      case "null":
        return text("null");
      case "boolean":
        return choice([text("true"), text("false")]);
      case "number":
        return numberTexts(alternative);
      case "string":
        return stringTexts(alternative);
      case "array":
        return arrayTexts(alternative, this);
      case "object":
        return objectTexts(alternative, parts, this);
    }
  }

  #any(): Expression {
    const any = rule("any");
    if (!this.#rules.has("any")) {
      const string = rule("any-string");
      const member = sequence(string, text(":"), SPACE, any);
      this.#rules.set("any", NEVER);
      this.#rules.set("any-string", sequence(text('"'), repeat(ANY_CHARACTER, 0), text('"')));
      const kinds = [bracketed("{", list(member, 0), "}"), bracketed("[", list(any, 0), "]")];
      const words = ["true", "false", "null"].map(text);
      this.#rules.set("any", choice([...kinds, string, ANY_NUMBER, ...words]));
    }
    return any;
  }
}

function isEmptySchema(schema: Part["schema"]): boolean {
  return typeof schema === "object" && Object.keys(schema).length === 0;
}

/** A readable name for a rule. */
function nameOf(key: string): string {
  const last = key.split("/").at(-1) ?? "";
  const name = last.replaceAll(/[^A-Za-z0-9-]+/g, "-").replaceAll(/^-+|-+$/g, "");
  return name === "" ? "value" : name.slice(0, 40);
}

function listedValues({ parts }: Alternative): unknown[] {
  for (const { schema } of parts) {
    if (schema.const !== undefined) return [schema.const];
    if (Array.isArray(schema.enum)) return schema.enum;
  }
  return [];
}

function literalValues(values: readonly unknown[]): Expression {
  const isPlain = (value: unknown) => typeof value !== "object" || value === null;
  const plain = literals(values.filter(isPlain).map((value) => JSON.stringify(value)));
  return choice([plain, ...values.filter((value) => !isPlain(value)).map(literalValue)]);
}

function literalValue(value: unknown): Expression {
  if (typeof value !== "object" || value === null) return text(JSON.stringify(value));
  const isArray = Array.isArray(value);
  const items = isArray
    ? value.map(literalValue)
    : Object.entries(value).map(([name, inner]) =>
        sequence(text(`${JSON.stringify(name)}:`), SPACE, literalValue(inner)),
      );
  const content = items.flatMap((item, i) => (i === 0 ? [item] : [text(","), SPACE, item]));
  return bracketed(isArray ? "[" : "{", sequence(...content), isArray ? "]" : "}");
}

function refuseUnsupported(type: Type, { parts }: Alternative): void {
  for (const { schema, pointer } of parts) {
    for (const keyword of Object.keys(schema)) {
      const about = unsupportedFor(keyword);
      if (about !== type && about !== "any") continue;
      if (keyword === "if" && schema.then === undefined && schema.else === undefined) continue;
      if ((keyword === "then" || keyword === "else") && schema.if === undefined) continue;
      throw refusal(
        `The JSON schema at ${pointer} has \`${keyword}\`, which a grammar can't say`,
        cureFor(keyword),
      );
    }
  }
}
