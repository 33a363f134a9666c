/**
 * Tool calls of llama.cpp's chat templates: what the grammar made of a template writes, llama.cpp reads
 * as calls of the tools, with arguments that are valid by their schemas.
 */
import { isDeepStrictEqual } from "node:util";
import { expect, test } from "vitest";
import { readTools, type Tool } from "../../src/engine/chat/messages.js";
import { toolConstraint } from "../../src/engine/chat/tool-constraint.js";
import { callsIn } from "../../src/engine/constraint/calls/call-form.js";
import { readGrammar } from "../../src/engine/constraint/read-grammar.js";
import { codeOf } from "../../src/engine/errors.js";
import { describeTemplate, parseAnswer } from "../../src/engine/text/text-requests.js";
import { isChannel } from "../../src/engine/thoughts.js";
import { drawText } from "../fixtures/grammar-texts.js";
import { useModel } from "../fixtures/models.js";
import { generator, schemaValidator } from "../fixtures/random-constraints.js";
import { chatTemplates, hasSource } from "../fixtures/vocabularies.js";

const properties = {
  days: { type: "integer", minimum: 1, maximum: 7 },
  city: { type: "string" },
  unit: { type: "string", enum: ["c", "f"] },
  where: { type: "object", properties: { x: { type: "number" } }, required: ["x"] },
};
const TOOLS: Tool[] = [
  {
    type: "function",
    function: {
      name: "get_weather",
      parameters: { type: "object", properties, required: ["city", "days"] },
    },
  },
  { type: "function", function: { name: "ping", description: "Says that it is there." } },
];
const TEXTS = 40;
const model = useModel();

test.skipIf(!hasSource)("46 templates and more have calls that can be restricted", async () => {
  const tools = readTools(TOOLS);
  const validators = new Map(
    await Promise.all(
      tools.map(async ({ function: { name, parameters } }) => {
        return [name, await schemaValidator(parameters)] as const;
      }),
    ),
  );
  const required: string[] = [];
  const free: string[] = [];
  const refused: string[] = [];
  const wrong: string[] = [];
  for (const [name, template] of chatTemplates()) {
    const settings = { template, bos: "<s>", eos: "</s>", variables: { enable_thinking: false } };
    const messages = [{ role: "user" as const, content: "Hello" }];
    const use = { template, bos: "<s>", eos: "</s>", messages, thinking: false, tools };
    const { thoughtStart, thoughtEnds } = await describeTemplate(use);
    // A run refuses calls in channels, as a prompt's thoughts tell of them.
    if (isChannel(thoughtStart)) {
      refused.push(name);
      continue;
    }
    const chat = { messages, tools, settings, prefill: "" };
    const constraint = await toolConstraint(model(), chat, "required").catch((error: unknown) => {
      if (codeOf(error) === undefined) throw error;
      return undefined;
    });
    if (constraint === undefined) {
      refused.push(name);
      continue;
    }
    required.push(name);
    await toolConstraint(model(), chat, "auto").then(
      () => free.push(name),
      (error: unknown) => expect(codeOf(error), name).toBe("ERR_CONSTRAINT"),
    );
    const { rules } = readGrammar(constraint.grammar);
    const random = generator(name.length);
    for (let i = 0; i < TEXTS; i++) {
      const text = drawText(rules, random);
      const plain = await parseAnswer(use, text, false);
      const { toolCalls } =
        plain.toolCalls.length > 0 ? plain : await parseAnswer(use, thoughtEnds[0] + text, false);
      const read = toolCalls.map((call) => ({
        name: call.name,
        arguments: JSON.parse(call.arguments) as unknown,
      }));
      const isValid = read.every((call) => validators.get(call.name)?.(call.arguments));
      const found = callsIn(text, constraint.calls ?? []);
      if (read.length > 0 && isValid && isDeepStrictEqual(found, read)) continue;
      wrong.push(`${name}: ${JSON.stringify({ text, read, found })}`);
    }
  }
  expect(wrong).toEqual([]);
  console.log(
    `calls can be required under ${required.length} templates, and have "auto" under ${free.length}; refused: ${refused.join(", ")}`,
  );
  expect(required.length).toBeGreaterThanOrEqual(46);
  expect(free.length).toBeGreaterThanOrEqual(45);
});
