import fc from "fast-check";
import { expect, test } from "vitest";
import { type Constraint, compileConstraint } from "../../src/engine/constraint/constraint.js";
import { readGrammar } from "../../src/engine/constraint/read-grammar.js";
import { GrammarReader } from "../../src/engine/constraint/readings.js";
import { codeOf, messageOf } from "../../src/engine/errors.js";
import { textProcess } from "../../src/engine/text/text-requests.js";
import { drawText } from "../fixtures/grammar-texts.js";
import {
  generator,
  RANDOM_GRAMMAR,
  RANDOM_SCHEMA,
  schemaValidator,
} from "../fixtures/random-constraints.js";

/** Half of five thousand. */
const RUNS = Number(process.env.LLAMA_ETS_STUDY_RUNS ?? 2500);

/** The rules of what compiles; undefined where it is refused as constraints are. */
async function rulesOf(constraint: Constraint) {
  try {
    const { grammar } = await compileConstraint(constraint);
    return readGrammar(grammar).rules;
  } catch (error) {
    if (codeOf(error) !== "ERR_CONSTRAINT") throw error;
    return undefined;
  }
}

test(`of ${RUNS} random schemas each is refused by name, or writes only what is valid`, async () => {
  const counts = { compiled: 0, texts: 0 };
  const random = generator(1);
  const property = fc.asyncProperty(RANDOM_SCHEMA, async (schema) => {
    const rules = await rulesOf({ json: schema });
    if (rules === undefined) return;
    counts.compiled++;
    const isValid = await schemaValidator(schema).catch((error: unknown) => {
      // ajv reads also the definitions that nothing refers to.
      if (!/resolve reference|nullable/.test(messageOf(error))) throw error;
    });
    if (isValid === undefined) return;
    for (let i = 0; i < 20; i++) {
      const text = drawText(rules, random);
      counts.texts++;
      expect(isValid(JSON.parse(text)), text).toBe(true);
    }
  });
  await fc.assert(property, { numRuns: RUNS, seed: 1 });
  console.log(
    `${counts.compiled} of ${RUNS} random schemas compile; ${counts.texts} texts are valid`,
  );
});

test(`of ${RUNS} random grammars each is refused by name, or is read without a death`, async () => {
  const there = await textProcess();
  const pid = "pid" in there ? there.pid : undefined;
  let compiled = 0;
  const random = generator(2);
  const property = fc.asyncProperty(RANDOM_GRAMMAR, async (grammar) => {
    const rules = await rulesOf({ grammar });
    if (rules === undefined) return;
    compiled++;
    const reader = new GrammarReader(rules);
    for (let i = 0; i < 5; i++) {
      const text = drawText(rules, random);
      expect(reader.matches(text), text).toBe(true);
    }
  });
  await fc.assert(property, { numRuns: RUNS, seed: 2 });
  console.log(`${compiled} of ${RUNS} random grammars compile`);
  expect("pid" in there ? there.pid : undefined).toBe(pid); // llama.cpp's process lives on
});
