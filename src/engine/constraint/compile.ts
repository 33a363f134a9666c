/**
 * Compiles constraints on answers to grammars for llama.cpp. A compiled grammar is checked, so that
 * reading it can neither crash the process nor loop for ever.
 */
import { createHash } from "node:crypto";
import { checkInteger, checkKeys, checkObject, checkString } from "../check.js";
import { LlamaEtsError } from "../errors.js";
import { checkGrammar } from "../text/text-requests.js";
import { checkRules } from "./check-rules.js";
import { linesText, wordsText } from "./counted-text.js";
import { type Expression, type Grammar, isNever, isSpellable, literals } from "./expression.js";
import { schemaGrammar } from "./json/schema-grammar.js";
import type { CompiledConstraint, Constraint } from "./kinds.js";
import { readGrammar } from "./read-grammar.js";
import { readInTime, refusal } from "./refusal.js";
import { wholeMatches } from "./regular-expression.js";
import { writeGrammar } from "./write-grammar.js";

const KINDS = ["json", "regex", "grammar", "choices", "words", "lines"] as const;
const MAX_COUNT = 500;
const MAX_CHOICES = 10_000;

/** See `compileConstraint`. */
export async function compile(constraint: Constraint): Promise<CompiledConstraint> {
  const kind = kindOf(constraint);
  const grammar = await grammarOf(constraint);
  await acceptedByEngine(grammar);
  return finished(kind, grammar);
}

function kindOf(constraint: Constraint): (typeof KINDS)[number] {
  checkObject("constraint", constraint);
  checkKeys("constraint", constraint, KINDS);
  const given = KINDS.filter((kind) => kind in constraint);
  const [kind] = given;
  if (given.length === 1 && kind !== undefined) return kind;
  throw new LlamaEtsError(
    "ERR_INVALID_OPTION",
    `Expected \`constraint\` to have exactly one of ${KINDS.join(", ")}, got ${given.join(" and ") || "none"}`,
    { fix: 'one kind, such as { regex: "[0-9]+" }' },
  );
}

async function grammarOf(constraint: Constraint): Promise<string> {
  if ("json" in constraint) {
    return checkedGrammar(await schemaGrammar(constraint.json), "The JSON schema's grammar");
  }
  if ("grammar" in constraint) {
    const source = checkString("constraint.grammar", constraint.grammar);
    readInTime("The grammar", () => {
      const { rules, placeOf } = readGrammar(source);
      checkRules(rules, (name) => `The grammar's rule \`${name}\` at ${placeOf(name)}`);
    });
    return source;
  }
  return readInTime(nameOf(constraint), () =>
    checkedGrammar(new Map([["root", textsOf(constraint)]]), nameOf(constraint)),
  );
}

function nameOf(constraint: Constraint): string {
  if ("regex" in constraint) return "The regular expression";
  return "choices" in constraint ? "The choices" : "The count";
}

function textsOf(
  constraint: Exclude<Constraint, { json: unknown } | { grammar: unknown }>,
): Expression {
  if ("regex" in constraint) {
    const texts = wholeMatches(checkString("constraint.regex", constraint.regex));
    if (!isNever(texts)) return texts;
    throw refusal("No text matches the regular expression", "a class that isn't empty");
  }
  if ("choices" in constraint) return literals(checkedChoices(constraint.choices));
  if ("words" in constraint) {
    return wordsText(checkInteger("constraint.words", constraint.words, 1, MAX_COUNT));
  }
  return linesText(checkInteger("constraint.lines", constraint.lines, 1, MAX_COUNT));
}

function checkedChoices(choices: readonly string[]): readonly string[] {
  const wrong = (message: string, fix: string) =>
    refusal(`\`constraint.choices\`: ${message}`, fix);
  if (!Array.isArray(choices) || choices.length === 0) {
    throw wrong("expected an array of at least one text", '["yes", "no"]');
  }
  if (choices.length > MAX_CHOICES) {
    throw wrong(`${choices.length} choices are more than ${MAX_CHOICES}`, "fewer choices");
  }
  const firsts = new Map<string, number>();
  choices.forEach((choice, i) => {
    if (typeof choice !== "string" || choice === "") {
      throw wrong(`number ${i + 1} is no text, or empty`, "texts of at least one character");
    }
    if (!isSpellable(choice)) {
      throw wrong(`number ${i + 1} holds a character that no token spells`, "another text");
    }
    const first = firsts.get(choice);
    if (first !== undefined) {
      throw wrong(`number ${i + 1} is number ${first} again`, "each text once");
    }
    firsts.set(choice, i + 1);
  });
  return choices;
}

/** Writes rules as GBNF, and checks that the grammar is safe to use. */
function checkedGrammar(rules: Grammar, name: string): string {
  return readInTime(name, () => {
    const source = writeGrammar(rules);
    checkRules(readGrammar(source).rules, () => name);
    return source;
  });
}

/** Throws if llama.cpp refuses the grammar. Skips this test if llama.cpp's text process isn't available. */
async function acceptedByEngine(grammar: string): Promise<void> {
  try {
    await checkGrammar(grammar);
  } catch (error) {
    if (!(error instanceof LlamaEtsError) || error.code === "ERR_ENGINE_NOT_FOUND") return;
    throw refusal(error.message, "a smaller grammar, with fewer repetitions", error);
  }
}

function finished(kind: CompiledConstraint["kind"], grammar: string): CompiledConstraint {
  const fingerprint = createHash("sha256").update(`${kind}\n${grammar}`).digest("hex").slice(0, 16);
  return Object.freeze({ kind, grammar, fingerprint });
}
