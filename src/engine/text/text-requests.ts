/**
 * What llama.cpp does with templates, answers, schemas and grammars. It is asked for in a process of
 * its own (`TextProcess`), with limits on time and memory.
 */
import { LlamaEtsError, messageOf } from "../errors.js";
import { locateEngine, prebuiltCpuEngine } from "../local/locate-engine.js";
import { TextFailure } from "./text-failure.js";
import { missingForTextProcess, TextProcess, textLibraryIn } from "./text-process.js";

/** A template, and the conversation that it is read for, in the form of OpenAI's requests. */
export interface TemplateUse {
  /** Jinja source; not empty. */
  template: string;
  /** Texts of the vocabulary's tokens. */
  bos: string;
  eos: string;
  messages: readonly unknown[];
  tools: readonly unknown[];
  thinking: boolean;
}

/** What llama.cpp knows of a template. */
export interface TemplateDescription {
  /** Whether its answers have thoughts, and between which texts; any of `thoughtEnds` ends one. */
  thinks: boolean;
  thoughtStart: string;
  thoughtEnds: string[];
  /** What it writes at the end of a prompt, where the answer begins. */
  generationPrompt: string;
  /** Texts that end an answer, besides end tokens. */
  stops: string[];
  /** Special tokens that mean something in an answer, such as those around a tool call. */
  preservedTokens: string[];
  /** llama.cpp's name of the form of its answers. */
  format: string;
  /** That of tool calls, in GBNF; where lazy, from one of the triggers on. Empty without tools. */
  grammar: string;
  grammarIsLazy: boolean;
  grammarTriggers: string[];
  takesTools: boolean;
  writesToolCalls: boolean;
  takesSystem: boolean;
}

/** An answer, taken apart. */
export interface ParsedAnswer {
  content: string;
  thoughts: string;
  /** `arguments` is JSON as the model wrote it. */
  toolCalls: { id: string; name: string; arguments: string }[];
}

/** Why there is no such process here. */
export interface TextProcessMissing {
  missing: string;
}

let found: Promise<TextProcess | TextProcessMissing> | undefined;

/**
 * The process, or why there is none. It is taken if it answers what is known: another C++ library, or
 * another llama.cpp, would not.
 */
export function textProcess(): Promise<TextProcess | TextProcessMissing> {
  found ??= findTextProcess();
  return found;
}

async function findTextProcess(): Promise<TextProcess | TextProcessMissing> {
  try {
    const missing = missingForTextProcess();
    if (missing !== undefined) return { missing };
    const chosen = await locateEngine(false);
    const library = textLibraryIn(chosen.directory) ?? textLibraryIn(await prebuiltCpuEngine());
    if (library === undefined) return { missing: "the engine has no libllama-common" };
    const candidate = new TextProcess(library);
    const { toolCalls, content } = await parse(candidate, KNOWN_USE, KNOWN_ANSWER, false);
    const call = toolCalls[0];
    const isRight =
      content === "Look." && call?.name === "f" && JSON.parse(call.arguments)?.x === 42;
    return isRight ? candidate : { missing: "libllama-common answers otherwise than expected" };
  } catch (error) {
    return { missing: messageOf(error) };
  }
}

const KNOWN_USE: TemplateUse = {
  template:
    "{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}{% for c in m.tool_calls %}<tool_call>\n{{ c.function | tojson }}\n</tool_call>{% endfor %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
  bos: "",
  eos: "<|im_end|>",
  messages: [{ role: "user", content: "Hi" }],
  thinking: false,
  tools: [
    {
      type: "function",
      function: { name: "f", parameters: { type: "object", properties: { x: {} } } },
    },
  ],
};
const KNOWN_ANSWER = 'Look.<tool_call>\n{"name": "f", "arguments": {"x": 42}}\n</tool_call>';

/** Throws `ERR_ENGINE_NOT_FOUND` where there is none. */
async function theProcess(): Promise<TextProcess> {
  const there = await textProcess();
  if (there instanceof TextProcess) return there;
  throw new LlamaEtsError(
    "ERR_ENGINE_NOT_FOUND",
    `llama.cpp's library for templates and grammars can't be used here: ${there.missing}`,
  );
}

/**
 * A template's text of the variables given. Throws `TextFailure`.
 *
 * @param date the day that it takes for today, YYYY-MM-DD
 */
export async function renderByEngine(
  from: TextProcess,
  template: string,
  context: Readonly<Record<string, unknown>>,
  date?: string,
): Promise<string> {
  try {
    const { text } = await from.request({
      op: "render",
      template,
      context,
      ...(date !== undefined && { date }),
    });
    return text as string;
  } catch (error) {
    if (!(error instanceof TextFailure) || error.kind !== "refused") throw error;
    // What was wrong stands behind a drawing of where it was.
    const why = /\nError: ([\s\S]+)$/.exec(error.message)?.[1] ?? error.message;
    throw new TextFailure("refused", why.trim());
  }
}

/**
 * The text that one of llama.cpp's own templates makes; the names that there are, where it has none
 * of this name. Throws `TextFailure`, and `ERR_ENGINE_NOT_FOUND`.
 */
export async function renderByName(
  name: string,
  messages: readonly { role: string; content: string }[],
): Promise<{ text: string } | { names: string[] }> {
  const reply = await (await theProcess()).request({ op: "render-named", name, messages });
  return reply as { text: string } | { names: string[] };
}

/** Throws `ERR_UNSUPPORTED_MODEL` for a template that can't be read; `ERR_ENGINE_NOT_FOUND`. */
export async function describeTemplate(use: TemplateUse): Promise<TemplateDescription> {
  const reply = await theProcess().then((there) =>
    orRefused("The chat template", () => there.request({ op: "describe", ...use })),
  );
  return reply as unknown as TemplateDescription;
}

/**
 * Thoughts, text and tool calls of an answer, which may be unfinished. One of an unknown form is all
 * content. Throws as `describeTemplate` does.
 *
 * @param answer its text, `preservedTokens` written out
 */
export async function parseAnswer(
  use: TemplateUse,
  answer: string,
  isPartial: boolean,
): Promise<ParsedAnswer> {
  const there = await theProcess();
  return orRefused("The chat template", () => parse(there, use, answer, isPartial));
}

async function parse(
  there: TextProcess,
  use: TemplateUse,
  answer: string,
  isPartial: boolean,
): Promise<ParsedAnswer> {
  const reply = await there.request({ op: "parse", ...use, answer, isPartial });
  return reply as unknown as ParsedAnswer;
}

/** Throws `ERR_INVALID_OPTION` for what llama.cpp can't read as a grammar. */
export async function checkGrammar(grammar: string, root = "root"): Promise<void> {
  const there = await theProcess();
  await orRefused(
    "The grammar",
    async () => {
      if (`${grammar}${root}`.includes("\0")) throw new TextFailure("refused", "it holds a NUL");
      const { complaint } = await there.request({ op: "check-grammar", grammar, root });
      if (complaint !== "") throw new TextFailure("refused", complaint as string);
    },
    "ERR_INVALID_OPTION",
  );
}

async function orRefused<T>(
  what: string,
  read: () => Promise<T>,
  code: "ERR_INVALID_OPTION" | "ERR_UNSUPPORTED_MODEL" = "ERR_UNSUPPORTED_MODEL",
): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof TextFailure)) throw error;
    throw new LlamaEtsError(code, `${what} could not be read: ${error.message}`, { cause: error });
  }
}
