/** Compiles a constraint that restricts answers to valid tool calls, by the prompt's chat template. */
import { createHash } from "node:crypto";
import { argumentTexts } from "../constraint/calls/argument-texts.js";
import { callsIn } from "../constraint/calls/call-form.js";
import {
  type CalledTool,
  type Calls,
  callGrammar,
  exampleCalls,
  hasObjects,
  realNames,
  standIns,
  withFreeText,
  withoutTexts,
} from "../constraint/calls/call-grammar.js";
import { checkRules } from "../constraint/check-rules.js";
import { SchemaDocument } from "../constraint/json/schema-document.js";
import type { CompiledConstraint } from "../constraint/kinds.js";
import { readGrammar } from "../constraint/read-grammar.js";
import { GrammarReader } from "../constraint/readings.js";
import { readInTime, refusal } from "../constraint/refusal.js";
import { writeGrammar } from "../constraint/write-grammar.js";
import { checkGrammar, describeTemplate, parseAnswer } from "../text/text-requests.js";
import type { Vocabulary } from "../vocabulary.js";
import { parsedObject } from "./answer.js";
import type { Chat } from "./conversation.js";
import type { PlainTool } from "./messages.js";
import { isSource } from "./render.js";
import type { ToolChoice } from "./tool-choice.js";

/** A conversation for requests to llama.cpp. The form of calls doesn't depend on the messages. */
const MESSAGES = [{ role: "user", content: "Hello" }];
/** Names that OpenAI allows. Other characters could have a meaning in a template's syntax. */
const NAME = /^[\w.-]{1,64}$/;

/**
 * @throws LlamaEtsError `ERR_CONSTRAINT` if the template's calls, or a tool's arguments, can't be
 *   restricted; the message names the tool
 */
export async function toolConstraint(
  vocabulary: Vocabulary,
  chat: Chat,
  choice: Exclude<ToolChoice, "none">,
): Promise<CompiledConstraint> {
  const tools = calledTools(chat.tools, choice);
  const { template, bos, eos, variables } = chat.settings;
  if (!isSource(template)) throw unknownTemplate("it isn't Jinja source");
  const thinking = variables.enable_thinking === true;
  const use = { template, bos, eos, messages: MESSAGES, thinking };
  const called = tools.map(calledTool);
  const asked = async (fills: boolean) => {
    const description = await describeTemplate({ ...use, tools: standIns(called, fills) });
    const { grammar } = description;
    if (grammar === "") throw unknownTemplate("llama.cpp knows no mark by which its calls begin");
    return { ...description, rules: readGrammar(grammar).rules };
  };
  let description = await asked(true);
  if (!hasObjects(description.rules, called)) description = await asked(false);
  const { preservedTokens, grammarTriggers, thoughtEnds, rules } = description;
  const specials = vocabulary.specialTokens().filter(({ text }) => preservedTokens.includes(text));
  const dropped = specials
    .filter(({ token }) => vocabulary.textBytes(Int32Array.of(token)).length === 0)
    .map(({ text }) => text);
  const parameters = tools.map(({ function: { name, parameters: schema } }) => ({ name, schema }));
  const calls = await callGrammar(rules, called, argumentTexts(parameters), dropped);
  // If the prompt ends inside a thought, calls are only found after the text that closes the thought.
  const parsed = async (text: string) => {
    const plain = await parseAnswer({ ...use, tools }, text, false);
    if (plain.toolCalls.length > 0 || thoughtEnds[0] === undefined) return plain;
    return await parseAnswer({ ...use, tools }, thoughtEnds[0] + text, false);
  };
  for (const [i, { function: tool }] of tools.entries()) {
    const document = await SchemaDocument.open({ type: "object", ...tool.parameters });
    for (const text of exampleCalls(calls, i)) {
      const { toolCalls } = await parsed(text);
      const [read] = callsIn(withoutTexts(text, dropped), calls.forms);
      const [call, ...others] = toolCalls;
      const value = call && parsedObject(call.arguments);
      const isRight = others.length === 0 && document.isValid(document.root, value);
      const found = JSON.stringify({ name: call?.name, arguments: value });
      if (isRight && call?.name === tool.name && JSON.stringify(read) === found) continue;
      throw unknownTemplate(`llama.cpp doesn't read calls of \`${tool.name}\` as they are written`);
    }
  }
  const marks = grammarTriggers.map((mark) => realNames(mark, called));
  const whole = choice === "auto" ? withFreeText(calls, beginnings(calls, marks)) : calls;
  const grammar = writeGrammar(whole.rules);
  const name = "The grammar of the tools' calls";
  readInTime(name, () => checkRules(readGrammar(grammar).rules, () => name));
  await checkGrammar(grammar);
  const tokens = specials.map(({ token }) => token);
  const hash = createHash("sha256").update(`tools\n${tokens.join()}\n${grammar}`).digest("hex");
  const fingerprint = hash.slice(0, 16);
  const { forms } = whole;
  return Object.freeze({
    kind: "tools" as const,
    grammar,
    fingerprint,
    tokens,
    calls: forms,
  });
}

function calledTools(tools: readonly PlainTool[], choice: ToolChoice): readonly PlainTool[] {
  if (typeof choice === "string") return tools;
  return tools.filter((tool) => tool.function.name === choice.function.name);
}

function calledTool({ function: { name, parameters } }: PlainTool): CalledTool {
  const properties = (parameters.properties ?? {}) as Readonly<Record<string, unknown>>;
  const given = (parameters.required ?? []) as readonly string[];
  const names = Object.keys(properties);
  const odd = [name, ...names].find((each) => !NAME.test(each));
  if (odd !== undefined) {
    throw refusal(
      `\`${odd}\` of the tool \`${name}\` has characters that templates may write in a way of their own`,
      "a name of letters, digits, _, . and -",
    );
  }
  const required = names.filter((each) => given.includes(each));
  return {
    name,
    required,
    parameters: [...required, ...names.filter((n) => !required.includes(n))],
  };
}

function unknownTemplate(why: string) {
  return refusal(
    `Tool calls can't be restricted under this chat template: ${why}`,
    "no `toolChoice`, or another template (`chatTemplate`, --chat-template)",
  );
}

/** The texts with which calls begin, without white space around them. Each occurrence begins a call. */
function beginnings({ rules }: Calls, marks: readonly string[]): string[] {
  const reader = new GrammarReader(rules);
  const begins = (mark: string) =>
    [...mark].reduce(
      (readings, character) => reader.next(readings, character.codePointAt(0) as number),
      reader.start,
    ).size > 0;
  const found = marks
    .filter((mark) => mark.trim() !== "" && begins(mark))
    .map((mark) => mark.trim());
  if (found.length > 0) return [...new Set(found)];
  throw refusal(
    "Calls of this chat template don't begin with a distinct text, so they can't be told from the text before them",
    'toolChoice "required", or another template (`chatTemplate`, --chat-template)',
  );
}
