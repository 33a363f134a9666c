/**
 * `close`: what `maxTokens` cuts off is closed as its constraint allows. On texts of the schemas of the
 * fixtures and of random ones, cut anywhere, by a vocabulary of bytes; and by every method on a table.
 */
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { closingOf } from "../../src/engine/constraint/closing.js";
import { compileConstraint } from "../../src/engine/constraint/constraint.js";
import type { Grammar } from "../../src/engine/constraint/expression.js";
import { readGrammar } from "../../src/engine/constraint/read-grammar.js";
import { GrammarReader } from "../../src/engine/constraint/readings.js";
import { shortestTexts } from "../../src/engine/constraint/shortest.js";
import { codeOf } from "../../src/engine/errors.js";
import { METHOD_NAMES, METHODS, sample } from "../../src/methods/registry.js";
import { SCHEMAS } from "../fixtures/constraints.js";
import { drawText } from "../fixtures/grammar-texts.js";
import { generator, RANDOM_SCHEMA, schemaValidator } from "../fixtures/random-constraints.js";
import { TableModel } from "../fixtures/table-engine/model.js";
import { hashedTable } from "../fixtures/table-engine/tables.js";
import { IS_STUDY } from "../study/form.js";

/** A token a byte: texts are cut within characters, too. */
const BYTES = {
  textBytes: (tokens: Int32Array) => Buffer.from(tokens),
  tokenize: (text: string) => Int32Array.from(Buffer.from(text, "utf8")),
};
/** As those that put a space before a document. */
const SPACED = { ...BYTES, tokenize: (text: string) => BYTES.tokenize(` ${text}`) };

interface Compiled {
  schema: object | boolean;
  grammar: string;
  rules: Grammar;
  isValid: (value: unknown) => boolean;
}

async function compiled(schema: object | boolean): Promise<Compiled> {
  const { grammar } = await compileConstraint({ json: schema });
  return { schema, grammar, ...readGrammar(grammar), isValid: await schemaValidator(schema) };
}

/** A naive end, as many libraries have it: what is open is closed, whatever the schema says. */
function closedBrackets(text: string): string {
  const open: string[] = [];
  for (const [part] of text.matchAll(/"(?:[^"\\]|\\.)*(?:"|\\?$)|[[{\]}]/gs)) {
    if (part === "[" || part === "{") open.push(part === "[" ? "]" : "}");
    else if (part === "]" || part === "}") open.pop();
    else if (part.length === 1 || !part.endsWith('"')) open.push('"');
  }
  return text + open.reverse().join("");
}

function isValidText(text: string, { isValid }: Compiled): boolean {
  try {
    return isValid(JSON.parse(text));
  } catch {
    return false;
  }
}

describe("texts of schemas, cut anywhere", () => {
  const cases: Compiled[] = [];
  beforeAll(async () => {
    for (const { schema } of SCHEMAS.filter((_, i) => IS_STUDY || i % 8 === 3)) {
      cases.push(await compiled(schema));
    }
    const schemas = fc.sample(RANDOM_SCHEMA, { numRuns: IS_STUDY ? 500 : 25, seed: 3 });
    for (const schema of schemas) {
      const one = await compiled(schema).catch((error: unknown) => {
        if (codeOf(error) !== "ERR_CONSTRAINT") throw error;
      });
      if (one !== undefined) cases.push(one);
    }
  });

  test("are closed validly and within the bound, or nothing fits", () => {
    const random = generator(5);
    let closed = 0;
    let naive = 0;
    for (const one of cases) {
      const reader = new GrammarReader(one.rules);
      const shortest = shortestTexts(one.rules).get("root") ?? "";
      expect(reader.shortestEnd(reader.start, 1e9)).toHaveLength(shortest.length);
      for (let i = 0; i < 4; i++) {
        const whole = BYTES.tokenize(drawText(one.rules, random));
        const cut = [...whole.subarray(0, Math.floor(random() * Math.min(whole.length, 400)))];
        const closing = closingOf(i === 3 ? SPACED : BYTES, one.grammar, cut, cut.length);
        if (closing === null) {
          expect(reader.shortestEnd(reader.start, cut.length)).toBeNull();
          continue;
        }
        closed += 1;
        const { kept, added, text } = closing;
        expect(isValidText(text, one), text).toBe(true);
        expect(kept + added.length).toBeLessThanOrEqual(cut.length);
        expect(BYTES.textBytes(Int32Array.from([...cut.slice(0, kept), ...added]))).toEqual(
          Buffer.from(text),
        );
        const left = Buffer.from(cut).toString("utf8");
        if (isValidText(closedBrackets(left), one)) naive += 1;
      }
    }
    expect(closed).toBeGreaterThan(50);
    // The twin, which knows no schema, is refused by the same check.
    expect(naive).toBeLessThan(closed - 20);
  });
});

test("as much of the text is kept as leaves room", () => {
  const close = (grammar: string, text: string, most = Buffer.byteLength(text)) => {
    const closing = closingOf(BYTES, grammar, [...BYTES.tokenize(text)], most);
    return closing?.text ?? null;
  };
  const list = 'root ::= "[" [0-9]+ ("," [0-9]+)* "]"';
  expect(close(list, "[12,34,5")).toBe("[12,34]");
  expect(close(list, "[12,3")).toBe("[12]");
  expect(close(list, "[12,3", 6)).toBe("[12,3]");
  expect(close(list, "[1")).toBeNull();
  expect(close('root ::= "é"+ "!"', "éé")).toBe("é!");
  // Rules that hold themselves, and what a choice has shortest last.
  const tree = 'root ::= "(" (root root root | root | "leaf") ")"';
  expect(close(tree, "((((leaf)", 13)).toBe("((((leaf))))");
  expect(close(tree, "((", 8)).toBe("((leaf))");
  // A whole text needs no end.
  expect(close('root ::= [a-z]+ "."?', "abc")).toBe("abc");
  // Texts of astronomical length are never made.
  const huge = `root ::= "a" | ("b" x{2000})\nx ::= (y{2000})\ny ::= (z{2000})\nz ::= "c"{2000}`;
  expect(close(huge, "bcccc", 200)).toBe("a");
});

describe("a run with `close`", () => {
  const model = new TableModel(hashedTable(2, 1));
  // Each text of five tokens is cut off: it lacks its end, or its end token.
  const grammar = 'root ::= "[" [0-3]{3} [0-3]{0,9} "]"';
  const options = {
    raw: true,
    constraint: { grammar },
    close: true,
    maxTokens: 5,
    candidates: 2,
    temperature: 1,
    blockTokens: 3,
    reward: () => 0,
  };
  const reader = new GrammarReader(readGrammar(grammar).rules);
  const leftOut = ["ets-is", "greedy", ...(IS_STUDY ? [] : ["power", "majority"])];
  const methods = METHOD_NAMES.filter((name) => !leftOut.includes(name));

  test("of every method ends with a whole text, and says that it is no sample", async () => {
    const { reward, ...plain } = options;
    let changed = 0;
    for (const [name, seed] of methods.flatMap((method) =>
      [0, 1].map((n) => [method, n] as const),
    )) {
      const given = METHODS[name].guidance.includes("reward") ? { ...plain, reward } : plain;
      let committed = "";
      const onText = (update: { committed: string }) => {
        committed += update.committed;
      };
      const result = await METHODS[name](model, "4?", { ...given, seed, onText });
      const { text, tokens, logProbs } = result;
      expect(reader.matches(text), `${name}: ${text}`).toBe(true);
      expect(committed).toBe(text);
      expect(tokens.length).toBeLessThanOrEqual(options.maxTokens);
      expect(logProbs).toHaveLength(tokens.length);
      expect(model.detokenize(Int32Array.from(tokens))).toBe(text);
      expect(result).toMatchObject({ stopReason: "closed", law: "none", reward: null });
      const cut = await METHODS[name](model, "4?", { ...given, seed, close: false });
      expect(cut.stopReason).toBe("length");
      if (cut.text === text) continue;
      changed += 1;
      expect(logProbs.at(-1)).toBe(0);
    }
    expect(changed).toBeGreaterThan(0);
  });

  test("without it the text is cut off, as it is where no end fits or a stop would cut it", async () => {
    const { reward: _, ...given } = options;
    const longer = { ...given, constraint: { regex: "[0-3]{3,6}!" }, maxTokens: 4 };
    const cut = await sample(model, "4?", { ...longer, maxTokens: 3, close: false });
    expect(cut).toMatchObject({ stopReason: "length", text: expect.stringMatching(/^[0-3]{3}$/) });
    expect(cut.settings).not.toHaveProperty("close");
    expect(cut.warnings).toEqual([
      expect.stringMatching(/cut off at 3 tokens.* Try: `close: true`/),
    ]);
    const short = await sample(model, "4?", { ...longer, maxTokens: 3 });
    expect(short).toMatchObject({ stopReason: "length", settings: { close: true } });
    expect(short.warnings).toEqual([
      expect.stringMatching(/no end that meets it fits. Try: a larger/),
    ]);
    const closed = { ...longer, constraint: { regex: "[0-3]{3}([0-3]{9})?!" } };
    const stopped = await sample(model, "4?", { ...closed, stop: ["!"] });
    expect(stopped.stopReason).not.toBe("closed");
    expect(await sample(model, "4?", closed)).toMatchObject({ stopReason: "closed", warnings: [] });
  });

  test("behind thoughts the answer alone is closed", async () => {
    const chatTemplate =
      "{% for m in messages %}{{ m.content }}{% if m.reasoning_content %}<think>{{ m.reasoning_content }}</think>{% endif %}{% endfor %}{% if add_generation_prompt %}<think>{% endif %}";
    const budgeted = {
      chatTemplate,
      reasoning: 2,
      temperature: 1,
      close: true,
      constraint: { regex: "[0-3]{3,}!" },
    };
    const close = (maxTokens: number) => sample(model, "4?", { ...budgeted, maxTokens });
    const tag = "</think>".length;
    const result = await close(2 + tag + 4);
    expect(result.text).toMatch(/^[0-3]{3}!$/);
    expect(result).toMatchObject({ stopReason: "closed", thoughts: { isOpen: false } });
    expect(result.tokens).toHaveLength(2 + tag + 4);
    // No room for an answer, or none for thoughts that end.
    for (const most of [2 + tag + 3, 1]) expect((await close(most)).stopReason).toBe("length");
  });

  test.each([
    [{ close: true }, /`close` needs a `constraint`/],
    [{ close: "yes", constraint: { words: 2 } }, /`close`/],
  ])("%j is refused", async (given, message) => {
    await expect(sample(model, "4?", { raw: true, ...given } as object)).rejects.toMatchObject({
      code: "ERR_INVALID_OPTION",
      message: expect.stringMatching(message),
    });
  });
});
