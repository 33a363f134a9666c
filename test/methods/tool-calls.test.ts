/** Tools, from the prompt to the calls in a result. */
import { describe, expect, test } from "vitest";
import type { ChatMessage, Tool } from "../../src/engine/chat/messages.js";
import type { ToolChoice } from "../../src/engine/chat/tool-choice.js";
import { ets } from "../../src/methods/ets.js";
import { plan } from "../../src/methods/plan.js";
import { sample } from "../../src/methods/sample.js";
import { TableModel } from "../fixtures/table-engine/model.js";
import { CHARACTERS } from "../fixtures/table-engine/vocabulary.js";

/** As many models have it; what follows the last ~ is the answer. */
const TEMPLATE = `{% if tools %}{{ tools | tojson }}
{% endif %}{% for m in messages %}[{{ m.role }}]{{ m.content }}{% for c in m.tool_calls %}<tool_call>
{{ c.function | tojson }}
</tool_call>{% endfor %}
{% endfor %}{% if add_generation_prompt %}[assistant]~{% endif %}`;

const TOOLS: Tool[] = [
  {
    type: "function",
    function: {
      name: "add",
      parameters: { type: "object", properties: { a: { type: "integer" } }, required: ["a"] },
    },
  },
];
const CALL = 'Look.<tool_call>\n{"name": "add", "arguments": {"a": 2}}\n</tool_call>';

/** A model that writes nothing else. */
function writing(text: string): TableModel {
  const tokens = [...text].map((character) => CHARACTERS.indexOf(character));
  const begin = CHARACTERS.indexOf("~");
  return new TableModel((context) => {
    const at = context.length - context.lastIndexOf(begin) - 1;
    return CHARACTERS.map((_, token) => (token === (tokens[at] ?? 0) ? 0 : -100));
  });
}

const options = { tools: TOOLS, chatTemplate: TEMPLATE, maxTokens: 100, blockTokens: 20 };
const run = { candidates: 2, rollouts: 1, reward: () => 0 };

describe("a result", () => {
  test("has the calls that its text makes, the same however it was drawn", async () => {
    const drawn = [
      await ets(writing(CALL), "2 + 0?", { ...options, ...run }),
      await sample(writing(CALL), "2 + 0?", {
        tools: TOOLS,
        chatTemplate: TEMPLATE,
        maxTokens: 100,
      }),
    ];
    for (const { text, toolCalls, settings } of drawn) {
      expect(text).toBe(CALL);
      const id = expect.stringMatching(/^\w{9}$/);
      expect(toolCalls).toEqual([{ id, name: "add", arguments: { a: 2 } }]);
      expect(settings.tools).toEqual(TOOLS);
    }
    expect(drawn[1]?.toolCalls).toEqual(drawn[0]?.toolCalls);
  });

  test("has none where the text makes none, or is cut off before its end", async () => {
    const said = await ets(writing("It is 2."), "2 + 0?", { ...options, ...run });
    expect(said.toolCalls).toEqual([]);
    const cut = await ets(writing(CALL), "2 + 0?", { ...options, ...run, maxTokens: 40 });
    expect(cut.stopReason).toBe("length");
    expect(cut.toolCalls).toEqual([]);
  });

  test("says nothing of calls where there were no tools", async () => {
    const result = await ets(writing(CALL), "2 + 0?", { chatTemplate: TEMPLATE, ...run });
    expect(result).not.toHaveProperty("toolCalls");
  });

  test("counts a call whose beginning was given", async () => {
    const [begun, rest] = [CALL.slice(0, 24), CALL.slice(24)];
    const messages: ChatMessage[] = [
      { role: "user", content: "2 + 0?" },
      { role: "assistant", content: `${begun}` },
    ];
    const tokens = [...rest].map((character) => CHARACTERS.indexOf(character));
    const model = new TableModel((context) => {
      const at = context.length - context.lastIndexOf(CHARACTERS.indexOf("~")) - 1 - begun.length;
      return CHARACTERS.map((_, token) => (token === (tokens[at] ?? 0) ? 0 : -100));
    });
    const { text, toolCalls } = await sample(model, messages, {
      tools: TOOLS,
      chatTemplate: TEMPLATE,
      maxTokens: 100,
    });
    expect(text).toBe(rest);
    expect(toolCalls?.map(({ name, arguments: values }) => [name, values])).toEqual([
      ["add", { a: 2 }],
    ]);
  });

  test("may be fed back with what the tool returned", async () => {
    const { toolCalls = [] } = await ets(writing(CALL), "2 + 0?", { ...options, ...run });
    const messages: ChatMessage[] = [
      { role: "user", content: "2 + 0?" },
      {
        role: "assistant",
        content: "Look.",
        tool_calls: toolCalls.map(({ id, name, arguments: values }) => {
          return { id, function: { name, arguments: values } };
        }),
      },
      { role: "tool", tool_call_id: toolCalls[0]?.id as string, content: "2" },
    ];
    const { prompt } = await ets(writing("2."), messages, { ...options, ...run });
    expect(prompt.text).toContain('<tool_call>\n{"name": "add", "arguments": {"a": 2}}');
    expect(prompt.text).toContain("[tool]2[assistant]~");
  });
});

const other: Tool = { type: "function", function: { name: "sub" } };
const WRONG = 'Look.<tool_call>\n{"name": "mul", "arguments": {"a": "x"}}\n</tool_call>';
/** Writes the text as far as it may, and else ends what it has begun. */
const insisting = (text: string) =>
  new TableModel((context) => {
    const at = context.length - context.lastIndexOf(CHARACTERS.indexOf("~")) - 1;
    const closing: Record<string, number> = {
      "<end>": 50,
      "}": 40,
      "2": 30,
      "<": 20,
      " ": -50,
      "\n": -50,
    };
    return CHARACTERS.map((c) => (c === (text[at] ?? "<end>") ? 100 : (closing[c] ?? 0)));
  });
const greedy = { ...options, tools: [...TOOLS, other], temperature: 0.1, maxTokens: 200 };

describe("calls that are restricted", () => {
  const call = { name: "add", arguments: { a: expect.any(Number) } };

  test("are of their form, with arguments that are valid, from where one begins", async () => {
    const free = await sample(insisting(WRONG), "2 + 0?", greedy);
    expect(free).toMatchObject({ text: WRONG, toolCalls: [] });
    const auto = { ...greedy, tools: TOOLS, toolChoice: "auto" } as const;
    const { text, toolCalls } = await sample(insisting(WRONG), "2 + 0?", auto);
    expect(text).toMatch(/^Look\.<tool_call>\n/);
    expect(toolCalls).toEqual([expect.objectContaining(call)]);
    const said = await sample(insisting("<b>2</b> {}"), "2 + 0?", auto);
    expect(said).toMatchObject({ text: "<b>2</b> {}", toolCalls: [], warnings: [] });
  });

  test("are all that an answer has where one is required, be it of one function", async () => {
    const drawn = (toolChoice: ToolChoice) =>
      sample(insisting("It is 2."), "2 + 0?", { ...greedy, toolChoice });
    const { text, toolCalls } = await drawn("required");
    expect(text).toMatch(/^<tool_call>/);
    expect(toolCalls).toHaveLength(1);
    for (const name of ["add", "sub"]) {
      const { toolCalls: named } = await drawn({ type: "function", function: { name } });
      expect(named?.map((made) => made.name)).toEqual([name]);
    }
    const { prompt, text: plain } = await drawn("none");
    expect(plain).toBe("It is 2.");
    expect(prompt.text).not.toContain("add");
  });

  test("weigh by their masses in guided runs", async () => {
    const required = { ...greedy, temperature: 1, toolChoice: "required" } as const;
    const { toolCalls, constraintLogMass, settings } = await ets(insisting("No."), "2 + 0?", {
      ...required,
      ...run,
    });
    expect(toolCalls?.length).toBeGreaterThan(0);
    expect(constraintLogMass).toBeLessThan(-40);
    expect(settings.constraintLaw).toBe("conditioned");
  });

  test("that can't be are refused by name, and told of where they are only allowed", async () => {
    const unique = { type: "array", uniqueItems: true, items: {} };
    const parameters = { type: "object", properties: { xs: unique }, required: ["xs"] };
    const cases: [RegExp, object][] = [
      [
        /`list`.*uniqueItems/s,
        { tools: [{ type: "function", function: { name: "list", parameters } }] },
      ],
      [/no mark/, { chatTemplate: "{{ tools | tojson }}{{ messages[-1].content }}~" }],
      [
        /has begun/,
        {
          prompt: [
            { role: "user", content: "2?" },
            { role: "assistant", content: "I" },
          ],
        },
      ],
    ];
    for (const [message, { prompt = "2 + 0?", ...given }] of cases as [
      RegExp,
      { prompt?: string },
    ][]) {
      const drawn = (toolChoice: ToolChoice) =>
        sample(insisting("2."), prompt, { ...greedy, ...given, toolChoice });
      await expect(drawn("required")).rejects.toThrow(message);
      const { text, warnings } = await drawn("auto");
      expect(text).not.toBe("");
      expect(warnings.join()).toMatch(message);
    }
    const wrong: [RegExp, object][] = [
      [
        /function `mul`, which isn't one of the tools: add, sub/,
        { toolChoice: { type: "function", function: { name: "mul" } } },
      ],
      [/needs `tools`/, { toolChoice: "required", tools: [] }],
      [/exclude each other/, { toolChoice: "required", constraint: { words: 2 } }],
      [/toolChoice/, { toolChoice: "any" }],
    ];
    for (const [message, given] of wrong) {
      await expect(sample(insisting("2."), "2?", { ...greedy, ...given })).rejects.toThrow(message);
    }
  });
});

test("tools count in a plan, and wrong ones are refused before a model is asked", async () => {
  const model = writing("");
  const base = { chatTemplate: TEMPLATE, maxTokens: 10 };
  const [without, withTools] = [
    await plan(model, "Hi", base),
    await plan(model, "Hi", { ...base, tools: TOOLS }),
  ];
  expect(withTools.promptTokens).toBeGreaterThan(without.promptTokens + 50);
  const wrong = ets(model, "Hi", { ...base, tools: [{ type: "tool" }] as never });
  await expect(wrong).rejects.toThrow(/tools\[0\]/);
});
