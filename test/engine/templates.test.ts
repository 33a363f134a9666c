/**
 * The chat templates of llama.cpp's collection, rendered as transformers renders them: the hashes of
 * jinja2's texts (test/study/templates.py) in all but those that docs/templates.md names.
 */
import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { PlainMessage, PlainTool } from "../../src/engine/chat/messages.js";
import {
  defaultRenderer,
  type Renderer,
  renderConversation,
  renderInJavaScript,
} from "../../src/engine/chat/render.js";
import { strftime } from "../../src/engine/text/strftime.js";
import { TextFailure } from "../../src/engine/text/text-failure.js";
import chats from "../fixtures/templates/chats.json" with { type: "json" };
import renders from "../fixtures/templates/renders.json" with { type: "json" };
import { chatTemplates, hasSource } from "../fixtures/vocabularies.js";

type Chat = { messages: PlainMessage[]; tools?: PlainTool[] };

const hash = (text: string) => createHash("sha256").update(text).digest("hex").slice(0, 12);

/** Today, as the collection's templates write it. */
function withoutDate(text: string): string {
  const now = new Date();
  const part = (options: Intl.DateTimeFormatOptions) => now.toLocaleDateString("en-US", options);
  const [day, year] = [part({ day: "2-digit" }), part({ year: "numeric" })];
  const iso = `${year}-${part({ month: "2-digit" })}-${day}`;
  const long = `${part({ month: "long" })} ${day}, ${year}`;
  const dates = [iso, `${day} ${part({ month: "short" })} ${year}`, long];
  return dates.reduce((rest, date) => rest.replaceAll(date, "<date>"), text);
}

async function textOf(
  renderer: Renderer,
  template: string,
  { messages, tools = [] }: Chat,
  thinking: boolean,
): Promise<string | null> {
  const variables = { enable_thinking: thinking };
  const settings = { template, variables, bos: "<s>", eos: "</s>" };
  try {
    return (await renderConversation({ messages, tools }, settings, renderer)).text;
  } catch (error) {
    if (error instanceof TextFailure) return null;
    throw error;
  }
}

/** How often the collection is rendered as jinja2 does, and which templates differ somewhere. */
async function compare(renderer: Renderer, chosen: readonly string[]) {
  const differing = new Set<string>();
  let equal = 0;
  for (const [name, template] of chatTemplates()) {
    const expected = (renders as Record<string, Record<string, string | null>>)[name] ?? {};
    for (const [key, wanted] of Object.entries(expected)) {
      const [chat = "", thinking] = key.split(" ");
      if (wanted === null || !chosen.includes(chat)) continue; // jinja2 fails too
      const given = (chats as Record<string, Chat>)[chat] as Chat;
      const found = await textOf(renderer, template, given, thinking !== undefined);
      if (found !== null && hash(withoutDate(found)) === wanted) equal++;
      else differing.add(name);
    }
  }
  return { equal, differing: [...differing] };
}

const TALKS = ["user", "system", "turns", "thought"];
const CALLS = ["tools", "call"];

describe.skipIf(!hasSource)("llama.cpp's collection of templates", () => {
  test("is rendered as jinja2 does, all that jinja2 can render", async () => {
    const renderer = await defaultRenderer();
    expect(renderer).not.toBe(renderInJavaScript);
    expect(await compare(renderer, TALKS)).toEqual({ equal: 552, differing: [] });
    expect(await compare(renderer, CALLS)).toEqual({
      equal: 256,
      differing: ["meetkai-functionary-medium-v3.1"],
    });
  });

  test("is rendered so in JavaScript, but for templates that it can't read", async () => {
    const { equal, differing } = await compare(renderInJavaScript, ["thought"]);
    expect({ equal, differing }).toEqual({ equal: 136, differing: ["ByteDance-Seed-OSS"] });
  });

  test("is another text where a renderer adds a space: the comparison sees it", async () => {
    const renderer = await defaultRenderer();
    const wrong: Renderer = async (...given) => `${await renderer(...given)} `;
    expect((await compare(wrong, ["user"])).equal).toBe(0);
  });
});

describe("a template", () => {
  const said = (content: string, role: PlainMessage["role"] = "user") => ({ role, content });
  const rendered = async (template: string, ...messages: PlainMessage[]) => {
    const variables = { enable_thinking: false };
    const settings = { template, variables, bos: "", eos: "" };
    const texts = [];
    for (const renderer of [await defaultRenderer(), renderInJavaScript]) {
      texts.push((await renderConversation({ messages, tools: [] }, settings, renderer)).text);
    }
    expect(texts[1]).toBe(texts[0]);
    return texts[0];
  };

  test.each([
    ["refuses", "{{ raise_exception('no') }}"],
    ["passes over", ""],
  ])("that %s a system message gets its text with the user's", async (_, answer) => {
    const template = `{% for m in messages %}{% if m.role == 'system' %}${answer}{% else %}[{{ m.content }}]{% endif %}{% endfor %}`;
    const text = await rendered(template, said("Be brief.", "system"), said("Hi"), said("You?"));
    expect(text).toBe("[Be brief.\n\nHi][You?]");
  });

  test("that wants contents in parts gets them so", async () => {
    const template =
      "{% for m in messages %}{% for p in m.content %}{% if p.type == 'text' %}<{{ p.text }}>{% endif %}{% endfor %}{% endfor %}";
    expect(await rendered(template, said("Hi"), said("You?"))).toBe("<Hi><You?>");
  });

  test("that loops over undefined tool calls loops over none", async () => {
    const template =
      "{% for m in messages %}{% for c in m.tool_calls %}x{% endfor %}{{ m.content }}{% endfor %}{% if tools is none %}.{% endif %}";
    expect(await rendered(template, said("Hi"))).toBe("Hi.");
  });

  test("that wants a list of tools gets one", async () => {
    const template = "{{ tools | selectattr('type') | list | length }}{{ messages[0].content }}";
    expect(await rendered(template, said("Hi"))).toBe("0Hi");
  });

  test.each([
    ["{% for k, v in {10: 'b', 9: 'a'} | dictsort %}{{ k }}{{ v }}{% endfor %}", "9a10b"],
    ["{{ x == none }}{{ none != x }}", "FalseTrue"],
    ["{% for m in [1, 2, 3] %}{% if m == 2 %}{% break %}{% endif %}{{ m }}{% endfor %}", "1"],
    ["{{ '{}-{}'.format('a', 1) }}", "a-1"],
    ["{{ '{1}{0}, {name}{{}}'.format('a', 1, name='b') }}", "1a, b{}"],
    ["{{ 'abca'.find('ca') }}{{ 'abc'.find('z') }}{{ m.content.find('i') }}", "2-11"],
    ["{{ 'abca'.rfind('a') }}{{ 'abca'.count('a') }}{{ 'abc'.index('b') }}", "321"],
    ["{{ 'abc'.removeprefix('ab') }}{{ 'abc'.removeprefix('b') }}", "cabc"],
    ["{{ x | d('e') }}{{ '' | default('f', true) }}", "ef"],
  ])("may say %s, as in Python", async (template, wanted) => {
    const render = await defaultRenderer();
    expect(await render(template, { m: { content: "Hi" } })).toBe(wanted);
  });

  test.each(["1999-12-31", "2024-02-29", "2031-07-01"])("takes %s for today", async (date) => {
    const template = "{{ strftime_now('%Y-%m-%d|%d %b %Y|%B %H:%M|%A %j %I %p') }}";
    const [year, month, day] = date.split("-");
    const [short, long] = { "12": ["Dec", "December"], "02": ["Feb", "February"] }[month ?? ""] ?? [
      "Jul",
      "July",
    ];
    const more = { "12": "Friday 365", "02": "Thursday 060" }[month ?? ""] ?? "Tuesday 182";
    const wanted = `${date}|${day} ${short} ${year}|${long} 12:00|${more} 12 PM`;
    for (const render of [await defaultRenderer(), renderInJavaScript]) {
      expect(await render(template, {}, date)).toBe(wanted);
      expect(await render(template, {})).not.toContain(date);
    }
  });

  test("may say so in JavaScript", async () => {
    const template =
      "{% for c in x if c %}{% endfor %}{% for c in x %}{% else %}none{% endfor %}{{ 1 if x == none else 0 }}{{ 'abc'.find('c') }}{{ '{}'.format(2) }}{{ x | d(3) }}";
    expect(await renderInJavaScript(template, {})).toBe("none0223");
  });
});

test.each([
  ["2008-12-29", "2009 01 52 52", "Mon 29-12-08 364 1 1"],
  ["2027-01-03", "2026 53 01 00", "Sun  3-01-27 003 7 0"],
  ["2024-12-31", "2025 01 52 53", "Tue 31-12-24 366 2 2"],
])("%s is written as Python writes it", (day, weeks, rest) => {
  const date = new Date(`${day}T00:05:09`);
  expect(strftime(date, "%G %V %U %W")).toBe(weeks);
  expect(strftime(date, "%a %e-%m-%y %j %u %w")).toBe(rest);
  expect(strftime(date, "%I:%M:%S %p, %T, %R")).toBe("12:05:09 AM, 00:05:09, 00:05");
  expect(strftime(date, "%-M, %%, %q, 100%")).toBe("5, %, %q, 100%");
});
