/**
 * Converts a JSON schema to alternatives of plain schemas. `$ref`, `allOf`, `anyOf` and `oneOf` at the top
 * level are resolved. Each alternative is a list of schemas, all of which must hold.
 */
import type { Ajv, AnySchemaObject } from "ajv";
import { messageOf } from "../../errors.js";
import { readInTime, refusal } from "../refusal.js";
import { type Alternative, each, type Part, step } from "./alternative.js";
import { isDisjoint } from "./disjoint.js";
import { cureFor, isKnown, TYPES, unknownCure } from "./keywords.js";
import { plainCopy } from "./plain-copy.js";

const MAX_ALTERNATIVES = 256;
/** The most schemas of one alternative. */
const MAX_PARTS = 1000;
const inTime = <T>(read: () => T): T => readInTime("The JSON schema", read);
const ANYTHING: Alternative = { parts: [], types: new Set(TYPES), isWhole: false, isTyped: false };

/** A JSON schema of a caller. It validates values, and resolves references and combining keywords. */
export class SchemaDocument {
  readonly root: Part;
  readonly #create: () => Ajv;
  /** Created when the first value is validated. */
  #ajv: Ajv | undefined;
  readonly #validators = new Map<string, (value: unknown) => boolean>();
  /** Alternatives by pointer. Without this cache, chains of repeated references would multiply the work. */
  readonly #ofParts = new Map<string, Alternative[]>();

  private constructor(schema: AnySchemaObject | boolean, create: () => Ajv) {
    this.root = { schema, pointer: "#" };
    this.#create = create;
  }

  /** Opens a schema. Throws `ERR_CONSTRAINT` if it isn't valid by draft 2020-12 or draft-07. */
  static async open(given: unknown): Promise<SchemaDocument> {
    const schema = plainCopy(given);
    const dialect = typeof schema === "boolean" ? undefined : schema.$schema;
    const isOld = typeof dialect === "string" && /draft-0[67]/.test(dialect);
    if (dialect !== undefined && !isOld && !/draft\/20(19-09|20-12)/.test(String(dialect))) {
      throw refusal(
        `The JSON schema is of a dialect that isn't known, \`${String(dialect)}\``,
        "draft 2020-12, or draft-07, in $schema",
      );
    }
    const { create, meta } = await dialectOf(isOld);
    if (typeof schema !== "boolean") {
      delete schema.$schema; // `meta` is chosen for the dialect already
      if (inTime(() => meta.validateSchema(schema)) !== true) {
        const [error] = meta.errors ?? [];
        const where = `#${error?.instancePath ?? ""}`;
        throw refusal(
          `Not a JSON schema: at ${where} it ${error?.message ?? "is wrong"}`,
          "a schema of draft 2020-12",
        );
      }
    }
    return new SchemaDocument(schema, create);
  }

  /** Whether a value is valid by a part. Throws `ERR_CONSTRAINT`. */
  isValid(part: Part, value: unknown): boolean {
    return inTime(() => this.#isValid(part, value));
  }

  #isValid({ schema, pointer }: Part, value: unknown): boolean {
    if (typeof schema === "boolean") return schema;
    let validate = this.#validators.get(pointer);
    if (validate === undefined) {
      const fragment = pointer.slice(1).split("/").map(encodeURIComponent).join("/");
      try {
        const within = pointer.startsWith("#") ? { $ref: `document#${fragment}` } : schema;
        this.#ajv ??= this.#create().addSchema(this.root.schema as AnySchemaObject, "document");
        validate = this.#ajv.compile(within) as (value: unknown) => boolean;
      } catch (error) {
        throw refusal(
          `The JSON schema can't be compiled at ${pointer}: ${messageOf(error)}`,
          "a valid schema",
          error,
        );
      }
      this.#validators.set(pointer, validate);
    }
    return validate(value);
  }

  /** The alternatives of a list of schemas, all of which must hold. Throws `ERR_CONSTRAINT`. */
  alternatives(parts: readonly Part[]): Alternative[] {
    return inTime(() =>
      parts.reduce(
        (all: Alternative[], part) => bounded(both(all, this.#ofPart(part, [])), part.pointer),
        [ANYTHING],
      ),
    );
  }

  #ofPart(part: Part, through: readonly string[]): Alternative[] {
    const known = this.#ofParts.get(part.pointer);
    if (known !== undefined) return known;
    const found = this.#read(part, through);
    this.#ofParts.set(part.pointer, found);
    return found;
  }

  #read({ schema, pointer }: Part, through: readonly string[]): Alternative[] {
    if (schema === true) return [ANYTHING];
    if (schema === false) return [];
    const name = `${pointer} `;
    if (through.includes(name)) {
      throw refusal(
        `The JSON schema at ${pointer} refers to itself and to nothing else`,
        "a $ref to another part",
      );
    }
    const path = [...through, name];
    checkKeywords(schema, pointer);
    let all: Alternative[] = [plain(schema, pointer)];
    const and = (more: Alternative[]) => {
      all = bounded(both(all, more), pointer);
    };
    if (schema.$ref !== undefined) and(this.#ofPart(this.#resolve(schema.$ref, pointer), path));
    for (const part of each(schema.allOf, `${pointer}/allOf`)) and(this.#ofPart(part, path));
    if (schema.anyOf !== undefined) {
      and(each(schema.anyOf, `${pointer}/anyOf`).flatMap((part) => this.#ofPart(part, path)));
    }
    if (schema.oneOf !== undefined) {
      const isValid = (at: Part, value: unknown) => this.isValid(at, value);
      const options = each(schema.oneOf, `${pointer}/oneOf`);
      const branches = options.map((part) => bounded(both(all, this.#ofPart(part, path)), pointer));
      branches.forEach((branch, i) => {
        branches.forEach((other, j) => {
          const isApart = branch.every((a) => other.every((b) => isDisjoint(a, b, isValid)));
          if (i === j || isApart) return;
          throw refusal(
            `The JSON schema at ${options[i]?.pointer}: what is valid by it may be valid by alternative ${j} of oneOf too, which a grammar can't exclude`,
            "anyOf, or a required property with another const in each alternative",
          );
        });
      });
      all = branches.flat();
    }
    return all;
  }

  #resolve(ref: unknown, pointer: string): Part {
    const where = `${pointer}/$ref`;
    const { $id = "" } = this.root.schema as AnySchemaObject;
    const text = String(ref);
    const [address = "", fragment = ""] = text.split("#");
    if (address !== "" && address !== String($id).replace(/#$/, "")) {
      throw refusal(
        `The JSON schema at ${where} refers to another document, \`${text}\``,
        "its text under $defs, and #/$defs/NAME",
      );
    }
    let decoded: string;
    try {
      decoded = decodeURIComponent(fragment);
    } catch {
      decoded = fragment;
    }
    const found =
      decoded === "" || decoded.startsWith("/")
        ? at(this.root, decoded)
        : anchor(this.root, decoded);
    if (found !== undefined) return found;
    throw refusal(
      `The JSON schema at ${where} refers to what isn't there, \`${text}\``,
      "#/$defs/NAME of a schema that is there",
    );
  }
}

interface Dialect {
  create(): Ajv;
  /** Validates schemas of the dialect. */
  meta: Ajv;
}
const dialects = new Map<boolean, Dialect>();

async function dialectOf(isOld: boolean): Promise<Dialect> {
  const there = dialects.get(isOld);
  if (there !== undefined) return there;
  const { default: ajv } = isOld ? await import("ajv") : await import("ajv/dist/2020.js");
  const options = { strict: false, validateFormats: false, addUsedSchema: false };
  const create = () => new ajv.default({ ...options, logger: false, validateSchema: false }) as Ajv;
  const dialect = { create, meta: create() };
  dialects.set(isOld, dialect);
  return dialect;
}

function checkKeywords(schema: AnySchemaObject, pointer: string): void {
  for (const keyword of Object.keys(schema)) {
    if (!isKnown(keyword)) {
      throw refusal(
        `The JSON schema at ${pointer} has a keyword that isn't known, \`${keyword}\``,
        unknownCure(keyword),
      );
    }
  }
  const { nullable, type } = schema;
  const isContradicted = nullable === false && [type].flat().includes("null");
  if (nullable !== undefined && (type === undefined || isContradicted)) {
    throw refusal(
      `The JSON schema at ${pointer} has \`nullable\` and ${isContradicted ? "contradicts it by" : "no"} \`type\``,
      'anyOf with { "type": "null" } as an alternative',
    );
  }
  if (pointer !== "#" && typeof schema.$id === "string" && !schema.$id.startsWith("#")) {
    throw refusal(
      `The JSON schema at ${pointer} has an $id, which begins another document`,
      cureFor("$id"),
    );
  }
}

/** A schema's own keywords as an alternative. */
function plain(schema: AnySchemaObject, pointer: string): Alternative {
  const parts = [{ schema, pointer }];
  const named = schema.type === undefined ? undefined : [schema.type].flat().map(String);
  if (named === undefined) return { ...ANYTHING, parts };
  if (schema.nullable === true) named.push("null");
  const types = new Set(TYPES.filter((type) => named.includes(type)));
  const isWhole = named.includes("integer") && !named.includes("number");
  if (isWhole) types.add("number");
  return { parts, types, isWhole, isTyped: true };
}

function both(left: readonly Alternative[], right: readonly Alternative[]): Alternative[] {
  return left.flatMap((a) =>
    right.map((b) => ({
      parts: [...a.parts, ...b.parts],
      types: new Set([...a.types].filter((type) => b.types.has(type))),
      isWhole: a.isWhole || b.isWhole,
      isTyped: a.isTyped || b.isTyped,
    })),
  );
}

function bounded(all: Alternative[], pointer: string): Alternative[] {
  if (all.some(({ parts }) => parts.length > MAX_PARTS)) {
    throw refusal(
      `The JSON schema at ${pointer} has more than ${MAX_PARTS} schemas that all hold, multiplied out`,
      "fewer allOf",
    );
  }
  if (all.length <= MAX_ALTERNATIVES) return all;
  throw refusal(
    `The JSON schema at ${pointer} has more than ${MAX_ALTERNATIVES} alternatives, multiplied out`,
    "fewer anyOf within allOf",
  );
}

function at(root: Part, pointer: string): Part | undefined {
  let schema: unknown = root.schema;
  let found = "#";
  for (const encoded of pointer.split("/").slice(1)) {
    const name = encoded.replaceAll("~1", "/").replaceAll("~0", "~");
    if (typeof schema !== "object" || schema === null || !Object.hasOwn(schema, name))
      return undefined;
    schema = (schema as Record<string, unknown>)[name];
    found = step(found, name);
  }
  const isSchema =
    typeof schema === "boolean" ||
    (typeof schema === "object" && schema !== null && !Array.isArray(schema));
  return isSchema ? { schema: schema as AnySchemaObject | boolean, pointer: found } : undefined;
}

/** The schema with a given `$anchor`, or with a fragment as its `$id`. */
function anchor(root: Part, name: string): Part | undefined {
  const todo: { value: unknown; pointer: string }[] = [{ value: root.schema, pointer: "#" }];
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    const { value, pointer } = next;
    if (typeof value !== "object" || value === null) continue;
    const { $anchor, $id } = value as { $anchor?: unknown; $id?: unknown };
    if ($anchor === name || $id === `#${name}`)
      return { schema: value as AnySchemaObject, pointer };
    for (const [key, inner] of Object.entries(value))
      todo.push({ value: inner, pointer: step(pointer, key) });
  }
  return undefined;
}
