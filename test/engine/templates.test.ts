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
import { TextFailure } from "../../src/engine/text/text-failure.js";
import chats from "../fixtures/templates/chats.json" with { type: "json" };
import renders from "../fixtures/templates/renders.json" with { type: "json" };
import { chatTemplates, hasSource } from "../fixtures/vocabularies.js";

type Chat = { messages: PlainMessage[]; tools?: PlainTool[] };

/** Where jinja2 fails too, and what ours does. */
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
  const settings = { template, thinking, bos: "<s>", eos: "</s>" };
  try {
    return (await renderConversation({ messages, tools }, settings, renderer)).text;
  } catch (error) {
    if (error instanceof TextFailure) return null;
    throw error;
  }
}

/** The names of renders that differ from jinja2's, those left out where jinja2 has none. */
async function differing(renderer: Renderer): Promise<{ differ: string[]; equal: number }> {
  const differ: string[] = [];
  let equal = 0;
  for (const [name, template] of chatTemplates()) {
    const expected = (renders as Record<string, Record<string, string | null>>)[name];
    for (const [key, wanted] of Object.entries(expected ?? {})) {
      if (wanted === null) continue;
      const [chat = "", thinking] = key.split(" ");
      const found = await textOf(
        renderer,
        template,
        (chats as Record<string, Chat>)[chat] as Chat,
        thinking !== undefined,
      );
      if (found !== null && hash(withoutDate(found)) === wanted) equal++;
      else differ.push(`${name}: ${key}${found === null ? " (fails)" : ""}`);
    }
  }
  return { differ, equal };
}

describe.skipIf(!hasSource)("llama.cpp's collection of templates", () => {
  test("is rendered as jinja2 does", async () => {
    const { differ, equal } = await differing(await defaultRenderer());
    console.log(equal, differ);
  });

  test("is rendered so in JavaScript, but for those that it can't read", async () => {
    const { differ, equal } = await differing(renderInJavaScript);
    console.log(equal, differ);
  });
});
