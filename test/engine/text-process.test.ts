/** llama.cpp's library for templates and grammars, in a process that hostile input may end. */
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { TextFailure } from "../../src/engine/text/text-failure.js";
import { TextProcess } from "../../src/engine/text/text-process.js";
import {
  checkGrammar,
  describeTemplate,
  parseAnswer,
  textProcess,
} from "../../src/engine/text/text-requests.js";
import { WorkerRenderer } from "../../src/engine/text/worker-renderer.js";
import { hasShared, readCases, shared } from "../fixtures/shared.js";
import { temporaryFile } from "../fixtures/temporary-directory.js";

const REQUESTS = new URL("../../dist/engine/text/text-requests.js", import.meta.url).href;
const LOOP = "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}";

/** What ends whoever renders it, and the ways in which it may. */
const HOSTILE: [name: string, template: string, kinds: string[]][] = [
  ["nested loops", LOOP, ["time"]],
  ["a long list", "{% set x = range(1000000000) %}", ["memory", "time"]],
  [
    "a text doubled over and over",
    "{% set ns = namespace(s='x') %}{% for i in range(40) %}{% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s }}",
    ["memory"],
  ],
  ["a macro that calls itself", "{% macro f(n) %}{{ f(n) }}{% endmacro %}{{ f(1) }}", ["crash"]],
  ["parentheses", `{{ ${"(".repeat(20000)}1${")".repeat(20000)} }}`, ["crash"]],
];

async function theProcess(): Promise<TextProcess> {
  const there = await textProcess();
  if (there instanceof TextProcess) return there;
  throw new Error(there.missing);
}

/** Another, with less patience: tests shall not take long. */
let small: TextProcess;
beforeAll(async () => {
  small = new TextProcess((await theProcess()).library, { seconds: 0.2, mebibytes: 96 });
});

const render = (template: string) => small.request({ op: "render", template, context: {} });

/** Whether a process is there, be it as a zombie. */
const isThere = (pid: number) => existsSync(`/proc/${pid}/status`);

async function isGone(pid: number): Promise<void> {
  while (isThere(pid)) await new Promise((resolve) => setTimeout(resolve, 10));
}

describe("the text process", () => {
  test.each(HOSTILE)(
    "ends at %s, and the next request finds another",
    async (_, template, kinds) => {
      await render("");
      const { pid } = small;
      const failure = await render(template).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(TextFailure);
      expect(kinds).toContain((failure as TextFailure).kind);
      await isGone(pid as number);
      expect(await render("{{ 6 * 7 }}")).toEqual({ text: "42" });
    },
  );

  test("isn't asked again what ended it", async () => {
    await render(HOSTILE[3]?.[1] as string).catch(() => {});
    await render("");
    const { pid } = small;
    await expect(render(HOSTILE[3]?.[1] as string)).rejects.toThrow(/crashes llama.cpp/);
    expect(small.pid).toBe(pid);
  });

  test("that someone ends is started again", async () => {
    await render("");
    process.kill(small.pid as number, "SIGKILL");
    expect(await render("{{ 6 * 7 }}")).toEqual({ text: "42" });
  });

  test("answers requests that are made at once, each its own", async () => {
    const numbers = Array.from({ length: 50 }, (_, i) => i);
    const texts = await Promise.all(numbers.map((i) => render(`{{ ${i} + 1 }}`)));
    expect(texts.map(({ text }) => text)).toEqual(numbers.map((i) => String(i + 1)));
  });

  test("carries any text, halves of characters as U+FFFD", async () => {
    const text = 'é\u0000\u2028"\\\n\u{f0000}😀';
    const { text: found } = await small.request({
      op: "render",
      template: "{{ m }}",
      context: { m: `${text}\ud800` },
    });
    expect(found).toBe(`${text}\ufffd`);
  });

  test.each(["keeps no program from ending", "ends with a program that is killed"])(
    "%s",
    async (what) => {
      const isKilled = what.includes("killed");
      const script = temporaryFile(
        "uses-text.mjs",
        `const { textProcess } = await import(${JSON.stringify(REQUESTS)});
         const there = await textProcess();
         await there.request({ op: "render", template: "", context: {} });
         ${isKilled ? `there.request({ op: "render", template: ${JSON.stringify(LOOP)}, context: {} });` : ""}
         console.log(there.pid);`,
      );
      const child = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] });
      const pid = await new Promise<number>((resolve) => {
        child.stdout.once("data", (text) => resolve(Number(String(text))));
      });
      const ended = new Promise((resolve) => child.once("exit", resolve));
      if (isKilled) child.kill("SIGKILL");
      await ended;
      await isGone(pid);
    },
  );

  test("isn't taken with a library that isn't llama.cpp's", async () => {
    const file = temporaryFile("libllama-common.so", "no library");
    const request = new TextProcess(file).request({ op: "render", template: "", context: {} });
    await expect(request).rejects.toThrow(/libllama-common.so/);
  });
});

describe.skipIf(!hasShared)("hostile templates that were tried", () => {
  const prototypes = [1, 2, 3, 4, 5, 6].map((i) => `hostile-${i}.jinja`);
  const cases = () => [
    ...readCases<{ template: string }>("reliability/chat-templates.jsonl"),
    ...prototypes.map((name) => ({
      template: readFileSync(shared("tools", "prototypes", name), "utf8"),
    })),
  ];

  test("end in errors", async () => {
    for (const { template } of cases()) {
      await expect(render(template)).rejects.toBeInstanceOf(TextFailure);
    }
  });
});

describe("the renderer in JavaScript", () => {
  const impatient = new WorkerRenderer(0.2);

  test.each(HOSTILE.filter((_, i) => i !== 1))("ends %s too", async (_, template) => {
    await expect(impatient.render(template, {})).rejects.toBeInstanceOf(TextFailure);
    expect(await impatient.render("{{ 6 * 7 }}", {})).toBe("42");
  });
});

describe("llama.cpp's library", () => {
  test("reads a grammar", async () => {
    await expect(checkGrammar('root ::= "red" | "green"')).resolves.toBeUndefined();
  });

  test.each([
    ["root ::= x", /Undefined rule identifier/],
    ['root ::= "a', /unexpected end/],
    ['root ::= root "a"', /left recursion/],
    ['root ::= "a"\0', /NUL/],
  ])("says what is wrong with the grammar %j", async (grammar, why) => {
    await expect(checkGrammar(grammar)).rejects.toThrow(why);
  });

  const template =
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}";
  const use = {
    template,
    bos: "",
    eos: "<|im_end|>",
    tools: [],
    thinking: true,
    messages: [{ role: "user", content: "Hi" }],
  };

  test("describes templates, and takes answers apart, unfinished ones too", async () => {
    const description = await describeTemplate(use);
    expect(description.generationPrompt).toBe("<|im_start|>assistant\n<think>\n");
    expect(description).toMatchObject({ takesTools: false, takesSystem: true, grammar: "" });
    const { content, toolCalls } = await parseAnswer(use, "I thi", true);
    expect(content).toContain("I thi");
    expect(toolCalls).toEqual([]);
  });
});
