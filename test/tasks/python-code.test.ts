import { describe, expect, test } from "vitest";
import { codeOf, definition, hoistFuture, indentedBody } from "../../src/tasks/python-code.js";

const CODE = "def f(n):\n    return n";

describe("the code that an output means", () => {
  test.each([
    ["a fence", `\`\`\`python\n${CODE}\n\`\`\``],
    ["a fence without a language", `\`\`\`\n${CODE}\n\`\`\``],
    ["tags in place of fences", `[PYTHON]\n${CODE}\n[/PYTHON]`],
    ["a quotation", `The code:\n\n> \`\`\`python\n${CODE.replace(/^/gm, "> ")}\n> \`\`\``],
    ["a block by its indentation", `Solution:\n\n${CODE.replace(/^/gm, "    ")}\n\nIt returns n.`],
    ["tildes", `~~~py\n${CODE}\n~~~`],
    ["prose around a fence", `Here it is:\n\n\`\`\`python\n${CODE}\n\`\`\`\n\nIt returns n.`],
    ["a fence that never closes", `\`\`\`python\n${CODE}`],
    ["a fence that is only closed", `${CODE}\n\`\`\`\n\nThis returns n.`],
    [
      "a fence in a list",
      `1. The function:\n\n   \`\`\`python\n   def f(n):\n       return n\n   \`\`\``,
    ],
    ["code further in than its fence", "```python\n    def f(n):\n        return n\n```"],
    ["a byte order mark", `\ufeff\`\`\`python\n${CODE}\n\`\`\``],
    ["lines of Windows", `\`\`\`python\r\ndef f(n):\r\n    return n\r\n\`\`\``],
    ["a thought", `<think>\`\`\`python\ndef f(n): pass\n\`\`\`</think>\n${CODE}`],
    ["prose before code", `Here is the function:\n\n${CODE}`],
    ["a heading behind code", `${CODE}\n\n### Explanation\nThis returns n.`],
    ["prose behind code", `${CODE}\n\nfrom the list we take the first of all numbers.`],
    [
      "an example block behind it",
      `\`\`\`python\n${CODE}\n\`\`\`\n\`\`\`python\nprint(f(int(input())))\n\`\`\``,
    ],
    [
      "an attempt before it",
      `\`\`\`python\ndef f(n): pass\n\`\`\`\nBetter:\n\`\`\`python\n${CODE}\n\`\`\``,
    ],
  ])("%s", (_, output) => {
    const code = codeOf(output, "f") ?? "";
    expect(code.replace(/\n### [^\n]*$/, "").trim()).toBe(CODE);
  });

  test("keeps imports and helpers of other blocks, before and behind", () => {
    const output = `\`\`\`python\nimport math\n\`\`\`\n\`\`\`python\n${CODE}\n\`\`\`\n\`\`\`python\ndef helper():\n    pass\n\`\`\``;
    const parts = ["import math\n", "def helper():\n    pass\n", CODE];
    expect(codeOf(output, "f")?.replace(/\n+$/, "").split(/\n\n+/)).toEqual(
      parts.map((part) => part.trim()),
    );
  });

  test("takes a fence in a docstring for text", () => {
    const code = 'def f(n):\n    """\n    ```python\n    f(7)\n    ```\n    """\n    return n';
    expect(codeOf(`\`\`\`python\n${code}\n\`\`\``, "f")).toBe(code);
  });

  test.each(["```\n", "class f:\n"])("is looked for in a million characters of %j", (line) => {
    const text = line.repeat(1e6 / line.length);
    // Minutes where each line is held against all others.
    expect(codeOf(text, "g")?.trim() ?? null).toBe(line.startsWith("`") ? "```" : text.trim());
  });

  test("is none of an empty output", () => expect(codeOf("  \n", "f")).toBeNull());
});

test.each([
  ["def f(x): pass", "function"],
  ["async def f(x): pass", "function"],
  ["f = lambda x: x", "function"],
  ["f: Callable = partial(g, 1)", "function"],
  ["class Solution:\n    def f(self, x):\n        return x", "method"],
  ["class Solution:\n    @staticmethod\n    def f(x):\n        return x", "method"],
  ["class Solution:\n    def f(x):\n        return x", null],
  ["def ff(x): pass", null],
  ["f == 1", null],
  ["def g(x):\n    def f(y): return y\n    return f", null],
])("%j defines f as %s", (code, kind) => expect(definition(code, "f")).toBe(kind));

test("imports from __future__ come before all else", () => {
  const code = '"""Doc."""\nfrom __future__ import annotations\nimport math';
  expect(hoistFuture(code)).toEqual({
    future: "from __future__ import annotations\n",
    rest: '"""Doc."""\n\nimport math',
  });
});

test.each([
  ["    return n", "    return n"],
  ["return n", "    return n"],
  ["x = 1\nreturn x", "    x = 1\n    return x"],
  ["x = 1\n    return x", "    x = 1\n    return x"],
  ["if n:\n    return 1\nreturn 2", "    if n:\n        return 1\n    return 2"],
  ["if n:\n        return 1\n    return 2", "    if n:\n        return 1\n    return 2"],
  ["\n\n    return n", "    return n"],
  ["\tx = 1\n\treturn x", "    x = 1\n    return x"],
  [" return n", "    return n"],
])("the body %j gets the indentation that it lost", (body, indented) =>
  expect(indentedBody(body)).toBe(indented),
);
