/**
 * Answers of a real model under every constraint of the fixtures: all are of it, or were cut off at
 * `LLAMA_ETS_STUDY_TOKENS` tokens (512), which at most 5% are. `LLAMA_ETS_STUDY_EVERY=10` takes every
 * tenth.
 */
import { describe, expect, test } from "vitest";
import { compileConstraint } from "../../src/engine/constraint/constraint.js";
import { readGrammar } from "../../src/engine/constraint/read-grammar.js";
import { GrammarReader } from "../../src/engine/constraint/readings.js";
import { sample } from "../../src/methods/sample.js";
import { SCHEMAS, TEXTS } from "../fixtures/constraints.js";
import { schemaValidator } from "../fixtures/random-constraints.js";
import { hasRealModel, useRealModel } from "../real/real-model.js";

const model = useRealModel();
const maxTokens = Number(process.env.LLAMA_ETS_STUDY_TOKENS ?? 512);
const every = Number(process.env.LLAMA_ETS_STUDY_EVERY ?? 1);
const MOST_CUT = 0.05;

describe.skipIf(!hasRealModel)("a real model under constraints", () => {
  test("writes what is valid, or is cut off", async () => {
    const cases = [
      ...SCHEMAS.map(({ name, schema }) => ({ name, schema, constraint: { json: schema } })),
      ...TEXTS.map(({ name, constraint }) => ({ name, schema: undefined, constraint })),
    ].filter((_, i) => i % every === 0);
    const cut: string[] = [];
    for (const { name, schema, constraint } of cases) {
      const asked = `Write an example of: ${name}. ${schema === undefined ? "" : `As JSON, by the schema ${JSON.stringify(schema).slice(0, 1500)}`}`;
      const { text, stopReason } = await sample(model(), asked, { maxTokens, constraint, seed: 1 });
      if (stopReason === "length") {
        cut.push(name);
        continue;
      }
      const { grammar } = await compileConstraint(constraint);
      const reader = new GrammarReader(readGrammar(grammar).rules);
      expect(reader.matches(text), `${name}: ${text}`).toBe(true);
      if (schema === undefined) continue;
      const isValid = await schemaValidator(schema);
      expect(isValid(JSON.parse(text)), `${name}: ${text}`).toBe(true);
    }
    console.log(
      `${cases.length - cut.length} of ${cases.length} answers are of their constraint, ${cut.length} cut off at ${maxTokens} tokens: ${cut.join(", ")}`,
    );
    expect(cut.length).toBeLessThanOrEqual(MOST_CUT * cases.length);
  }, 3_600_000);
});
