import ajv from "ajv";
import addFormats from "ajv-formats";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Constraint, compileConstraint } from "../../src/engine/constraint/constraint.js";
import type { Expression } from "../../src/engine/constraint/expression.js";
import { FORMAT_NAMES, formatTexts } from "../../src/engine/constraint/json/string-texts.js";
import { readGrammar } from "../../src/engine/constraint/read-grammar.js";
import { GrammarReader } from "../../src/engine/constraint/readings.js";
import { wholeMatches } from "../../src/engine/constraint/regular-expression.js";
import type { Model } from "../../src/engine/engine.js";
import { messageOf } from "../../src/engine/errors.js";
import { withTimeLimit } from "../../src/engine/time-limit.js";
import { sample } from "../../src/methods/registry.js";
import { REFUSED_SCHEMAS, REFUSED_TEXTS, SCHEMAS, TEXTS } from "../fixtures/constraints.js";
import { drawText } from "../fixtures/grammar-texts.js";
import { generator, schemaValidator } from "../fixtures/random-constraints.js";
import { modelOf, sentencePiece } from "../fixtures/vocabularies.js";
import { IS_STUDY } from "../study/form.js";

/** Texts of each grammar. */
const DRAWN = IS_STUDY ? 10 : 3;
/** In `npm test` every fourth, which has some of each kind. */
const tried = SCHEMAS.filter((_, i) => IS_STUDY || i % 4 === 0);

async function compiled(constraint: Constraint) {
  const { grammar } = await compileConstraint(constraint);
  const { rules } = readGrammar(grammar);
  return { grammar, rules, reader: new GrammarReader(rules) };
}

describe("JSON schemas", () => {
  test.each(tried)("$name: all that is written is valid", async ({ schema, valid, invalid }) => {
    const { rules, reader } = await compiled({ json: schema });
    const isValid = await schemaValidator(schema);
    const random = generator(1);
    for (let i = 0; i < DRAWN; i++) {
      const text = drawText(rules, random);
      expect(isValid(JSON.parse(text)), text).toBe(true);
      expect(reader.matches(text), text).toBe(true);
    }
    for (const value of valid) {
      expect(isValid(value), `the fixture, ${JSON.stringify(value)}`).toBe(true);
      expect(reader.matches(JSON.stringify(value)), JSON.stringify(value)).toBe(true);
      expect(reader.matches(JSON.stringify(value, null, 2)), "indented").toBe(true);
    }
    for (const value of invalid) {
      expect(reader.matches(JSON.stringify(value)), JSON.stringify(value)).toBe(false);
    }
  });

  test.each(REFUSED_SCHEMAS)("$name is refused by name", async ({ constraint, why }) => {
    await expect(compileConstraint(constraint)).rejects.toMatchObject({
      code: "ERR_CONSTRAINT",
      message: expect.stringMatching(why),
    });
  });

  test("a list that forgets a bound writes what is invalid, which the test above would find", async () => {
    const { rules } = await compiled({ json: { type: "array", items: { type: "null" } } });
    const isValid = await schemaValidator({ type: "array", maxItems: 2 });
    const random = generator(1);
    const texts = Array.from({ length: 30 }, () => drawText(rules, random));
    expect(texts.every((text) => isValid(JSON.parse(text)))).toBe(false);
  });

  test("what a prototype or a getter has isn't of the schema", async () => {
    const schema = Object.create(
      { type: "string" },
      { enum: { enumerable: true, get: () => [1] } },
    );
    const { grammar } = await compileConstraint({ json: schema });
    expect(grammar).toContain('"1"');
  });
});

describe("hostile schemas", () => {
  /** Parts that refer to the next part twice, 40 of them: 2^40 ways to the last. */
  const doubled = (by: (next: object) => object, last: unknown) => ({
    $ref: "#/$defs/p0",
    $defs: {
      ...Object.fromEntries(
        Array.from({ length: 40 }, (_, i) => [`p${i}`, by({ $ref: `#/$defs/p${i + 1}` })]),
      ),
      p40: last,
    },
  });
  const shared = Array.from({ length: 40 }).reduce<object>(
    (inner) => ({ type: "array", prefixItems: [inner, inner] }),
    { type: "null" },
  );
  const multiplied: [string, unknown, RegExp][] = [
    ["allOf", doubled((next) => ({ allOf: [next, next] }), {}), /1000 schemas that all hold/],
    ["anyOf", doubled((next) => ({ anyOf: [next, next] }), true), /256 alternatives/],
    ["of nothing", doubled((next) => ({ anyOf: [next, next] }), false), /No value is valid/],
    ["an object that is there twice", shared, /more than 1000000 characters/],
  ];
  test.each(multiplied)("that multiply are refused at once: %s", async (_, json, why) => {
    await expect(compileConstraint({ json: json as object })).rejects.toThrow(why);
  });

  // Each takes its whole limit.
  const endless: Record<string, Constraint> = {
    "values that are compared in 2^40 ways": {
      json: {
        $defs: doubled((next) => ({ anyOf: [next, next] }), { type: "string" }).$defs,
        enum: [{ x: 1 }],
        properties: { x: { $ref: "#/$defs/p0" } },
      },
    },
    "a pattern that backtracks": { json: { enum: [`${"a".repeat(40)}!`], pattern: "^(a+)+$" } },
    "repetitions of repetitions": { grammar: 'root ::= (("a"{0,2000}){0,2000}){0,2000}' },
  };
  test.runIf(IS_STUDY).each(Object.entries(endless))("end in time: %s", async (_, constraint) => {
    await expect(compileConstraint(constraint)).rejects.toMatchObject({
      code: "ERR_CONSTRAINT",
      message: expect.stringMatching(/takes more than 5000 ms|can't be met|is valid by/),
    });
  });
});

test("work that may not end is stopped, also within other such work, and the next is not", () => {
  const hostile = () => /^(a+)+$/.test(`${"a".repeat(60)}!`);
  const late = () => new Error("late");
  expect(() => withTimeLimit(10, () => withTimeLimit(1e6, hostile, late), late)).toThrow("late");
  expect(withTimeLimit(1e4, () => 1, late)).toBe(1);
  expect(() => withTimeLimit(10, hostile, late)).toThrow("late");
});

describe("formats", () => {
  /** Unlike the fixtures' validator this one reads formats; those of IRIs and IDNs it doesn't know. */
  const others = ["iri", "iri-reference", "idn-email", "idn-hostname"];
  const checked = FORMAT_NAMES.filter((name) => !others.includes(name));
  const fails = (name: string, texts: Expression) => {
    const validator = new ajv.default();
    addFormats.default(validator);
    const isValid = validator.compile({ type: "string", format: name });
    const random = generator(name.length);
    const rules = new Map([["root", texts]]);
    const drawn = Array.from({ length: IS_STUDY ? 3000 : 30 }, () => drawText(rules, random));
    return drawn.find((text) => !isValid(text));
  };

  test.each(checked)("%s: all that is written is of it", (name) => {
    const texts = formatTexts(name);
    if (texts === "any" || texts === undefined) expect(["password", "binary"]).toContain(name);
    else expect(fails(name, texts)).toBeUndefined();
  });

  test("those that aren't known have the texts of others that are", () => {
    const same = ["uri", "uri-reference", "email", "hostname"].map(formatTexts);
    expect(others.map(formatTexts)).toEqual(same);
  });

  test.each([
    ["date", "[0-9]{4}-[01][0-9]-[0-3][0-9]"],
    ["ipv4", "[0-9]{1,3}(\\.[0-9]{1,3}){3}"],
    ["uuid", "[0-9a-z-]{36}"],
    ["email", "[a-z@]{3,9}"],
  ])("texts that only look like a %s are refused by this check", (name, pattern) => {
    expect(fails(name, wholeMatches(pattern))).toBeDefined();
  });
});

describe("texts", () => {
  test.each(TEXTS)("$name", async ({ constraint, valid, invalid }) => {
    const { reader } = await compiled(constraint);
    for (const text of valid) expect(reader.matches(text), text).toBe(true);
    for (const text of invalid) expect(reader.matches(text), text).toBe(false);
  });

  test.each(REFUSED_TEXTS)("$name is refused", async ({ constraint, why }) => {
    await expect(compileConstraint(constraint)).rejects.toMatchObject({
      code: "ERR_CONSTRAINT",
      message: expect.stringMatching(why),
    });
  });

  test.each([
    {},
    { words: 0 },
    { words: 1.5 },
    { lines: 501 },
    { word: 3 },
    { words: 1, lines: 1 },
    null,
    "a",
    { regex: 1 },
    { grammar: 1 },
    { json: "a" },
    { json: [] },
    { json: undefined },
  ])("%j is no constraint", async (constraint) => {
    await expect(compileConstraint(constraint as Constraint)).rejects.toMatchObject({
      code: "ERR_INVALID_OPTION",
    });
  });

  test.each([1, 2, IS_STUDY ? 500 : 12])(
    "%i words are counted as people count them",
    async (words) => {
      const { rules } = await compiled({ words });
      const random = generator(words);
      for (let i = 0; i < DRAWN; i++) {
        const text = drawText(rules, random);
        const parts = text.split(/\s/u);
        expect(parts).toHaveLength(words);
        for (const part of parts) expect(part).toMatch(/[^\s!-/:-@[-`{-~\u2000-\u206f]/u);
      }
    },
  );

  test.each([1, 3, 50])("%i lines are counted as people count them", async (lines) => {
    const { rules } = await compiled({ lines });
    const random = generator(lines);
    for (let i = 0; i < DRAWN; i++) {
      const parts = drawText(rules, random).split(/\r\n|[\n\r\u2028\u2029\v\f\u0085]/u);
      expect(parts).toHaveLength(lines);
      for (const part of parts) expect(part).toMatch(/\S$/u);
    }
  });

  test("one kind and one grammar have one fingerprint", async () => {
    const prints = await Promise.all(
      [{ words: 3 }, { words: 3 }, { words: 4 }, { choices: ["a"] }, { regex: "a" }].map(
        async (constraint) => (await compileConstraint(constraint)).fingerprint,
      ),
    );
    expect(prints[0]).toBe(prints[1]);
    expect(new Set(prints).size).toBe(4);
  });
});

describe("ambiguous texts, also behind long beginnings", () => {
  const [begin, hashes, signs, brackets] = [
    "ab".repeat(100),
    "#".repeat(64),
    `${"é".repeat(40)}è`,
    "(".repeat(64),
  ] as const;
  let model: Model;
  beforeAll(async () => {
    model = await modelOf(sentencePiece([begin, hashes, signs, brackets]));
  });
  afterAll(async () => await model.dispose());

  /** What one token adds to a text, which those before it spell. */
  async function draw(constraint: Constraint, before: number, text: string, allowed: string[]) {
    const tokenOf = (word: string) =>
      Array.from({ length: model.info.vocabSize }, (_, i) => i).find((i) => {
        return model.detokenize(Int32Array.of(i), { continues: true }) === word;
      }) as number;
    const drawn = await sample(model, "1", {
      constraint,
      allowedTokens: [begin, ...allowed].map(tokenOf),
      maxTokens: before + 1,
      seed: 1,
      raw: true,
    });
    expect(drawn.text.startsWith(text)).toBe(true);
    return drawn.text.slice(text.length);
  }

  test.each([1, 5, 50])("a token that can be read in 2^40 ways, behind %s", async (times) => {
    const text = begin.repeat(times);
    const drawAfter = (rest: string, ...allowed: string[]) => {
      return draw({ grammar: `root ::= "${text}" ${rest}` }, times, text, allowed);
    };
    expect(await drawAfter('("#" | "##"){1,40} "x"', hashes, "x")).toBe(hashes);
    expect(await drawAfter('("#" | "##"){1,30} "x"', hashes, "#")).toBe("#");
    expect(await drawAfter('("#" | . | [^b] | [!-a]){1,64} "x"', hashes, "x")).toBe(hashes);
    expect(await drawAfter('("é" | "éé"){1,40} "è"', signs, "#")).toBe(signs);
    await expect(drawAfter('("é" | "éé"){1,40} "e"', signs)).rejects.toMatchObject({
      code: "ERR_CONSTRAINT_DEAD",
    });
  });

  test("a union of a schema, behind a long constant", async () => {
    const drawAfter = (most: number, ...allowed: string[]) => {
      const either = [{ pattern: `^(#|##){1,${most}}x$` }, { pattern: `^(##|#){1,${most}}y$` }];
      const json = {
        type: "array",
        prefixItems: [{ const: begin.repeat(5) }, { anyOf: either }],
        items: false,
        minItems: 2,
      };
      return draw({ json }, 10, `["${begin.repeat(5)}","`, ["[", '"', ",", ...allowed]);
    };
    expect(await drawAfter(40, hashes, "x")).toBe(hashes);
    expect(await drawAfter(30, hashes, "#")).toBe("#");
  });

  test("no text ends in half of a character, which its bytes spell", async () => {
    const tokenOf = (byte: number) =>
      Array.from({ length: model.info.vocabSize }, (_, i) => i).find((i) => {
        const bytes = model.textBytes(Int32Array.of(i));
        return bytes.length === 1 && bytes[0] === byte;
      }) as number;
    const allowedTokens = [2, ...new TextEncoder().encode("é").map(tokenOf)];
    for (let seed = 0; seed < 12; seed++) {
      const { text, stopReason } = await sample(model, "1", {
        constraint: { regex: "é+" },
        allowedTokens,
        maxTokens: 12,
        seed,
        raw: true,
      });
      if (stopReason === "end") expect(text).toMatch(/^é+$/);
    }
  });

  // n brackets have 2^n different readings.
  test.each([2, 50])("readings without end are an error, behind %s", async (times) => {
    const text = begin.repeat(times);
    const grammar = `root ::= "${text}" s\ns ::= "(" s ")" | "(" s "]" | "x"`;
    await expect(draw({ grammar }, times, text, [brackets])).rejects.toMatchObject({
      code: "ERR_CONSTRAINT",
      message: expect.stringMatching(/more than 4096 ways/),
    });
    expect(await draw({ grammar }, times, text, ["("])).toBe("(");
  });
});

/** Regular expressions of what grammars can say, small enough to read. */
const EXPRESSION = fc.letrec<{ expression: string }>((tie) => ({
  expression: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.constantFrom("a", "b", "ab", ".", "\\d", "[ab]", "[^a]", "[a-c1]", "\\n", "é", "\\.", ""),
    fc.tuple(tie("expression"), tie("expression")).map(([a, b]) => a + b),
    fc.tuple(tie("expression"), tie("expression")).map(([a, b]) => `(?:${a}|${b})`),
    fc
      .tuple(tie("expression"), fc.constantFrom("*", "+", "?", "{2}", "{1,3}", "{2,}", "*?"))
      .map(([a, times]) => `(${a})${times}`),
  ),
})).expression;
const TEXT = fc.string({
  unit: fc.constantFrom("a", "b", "c", "1", ".", "\n", "é", "x"),
  maxLength: 6,
});

/** The first text on which a grammar and an expression differ, of those drawn and of others. */
async function difference(
  grammarOf: string,
  pattern: string,
  others: readonly string[],
): Promise<string | undefined> {
  const { rules, reader } = await compiled({ regex: grammarOf });
  const isMatch = new RegExp(`^(?:${pattern})$`, "u");
  const random = generator(7);
  const drawn = Array.from({ length: 8 }, () => drawText(rules, random));
  const changed = drawn.flatMap((text) => [
    Array.from(text).slice(1).join(""),
    `${text}a`,
    text.replace("a", "b"),
  ]);
  // JavaScript's own reading of a longer text may take for ever.
  const short = [...drawn, ...changed, ...others].filter((text) => text.length <= 9);
  return short.find((text) => reader.matches(text) !== isMatch.test(text));
}

describe("regular expressions at random", () => {
  test("a grammar has the texts that match, and no others", async () => {
    await fc.assert(
      fc.asyncProperty(EXPRESSION, fc.array(TEXT, { maxLength: 20 }), async (pattern, texts) => {
        try {
          expect(await difference(pattern, pattern, texts)).toBeUndefined();
        } catch (error) {
          // Too ambiguous, or empty; nothing else is refused.
          if (!/ERR_CONSTRAINT/.test(String((error as { code?: string }).code))) throw error;
          expect(messageOf(error)).toMatch(/ways|empty text|No text|elements/);
        }
      }),
      { numRuns: IS_STUDY ? 60 : 20, seed: 1 },
    );
  });

  test.each([
    ["(?:ab)*c?", "(?:ab)+c?"],
    ["a{1,3}", "a{1,2}"],
    ["[a-c]", "[ab]"],
    [".", "[^]"],
  ])("the grammar of %s isn't that of %s", async (one, other) => {
    expect(await difference(one, other, ["", "c", "\n"])).toBeDefined();
  });
});
