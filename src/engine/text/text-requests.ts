/**
 * Requests to llama.cpp's code for templates, answers, schemas and grammars. The code runs in a separate
 * process (`TextProcess`), with limits on time and memory.
 */
import { LlamaEtsError, messageOf } from "../errors.js";
import { locateEngine, prebuiltCpuEngine } from "../local/locate-engine.js";
import { TextFailure } from "./text-failure.js";
import { missingForTextProcess, TextProcess, textLibraryIn } from "./text-process.js";

/** A template and a conversation for it, in the form of OpenAI's requests. */
export interface TemplateUse {
  /** Jinja source. It is not empty. */
  template: string;
  /** Texts of the vocabulary's BOS and EOS tokens. */
  bos: string;
  eos: string;
  messages: readonly unknown[];
  tools: readonly unknown[];
  thinking: boolean;
}

/** llama.cpp's analysis of a template. */
export interface TemplateDescription {
  /** Whether its answers have thoughts. Thoughts begin with `thoughtStart`; any of `thoughtEnds` ends one. */
  thinks: boolean;
  thoughtStart: string;
  thoughtEnds: string[];
  /** The text that it writes at the end of a prompt, before the answer. */
  generationPrompt: string;
  /** Texts that end an answer, besides end tokens. */
  stops: string[];
  /** Special tokens that have a meaning in an answer, such as those around a tool call. */
  preservedTokens: string[];
  /** llama.cpp's name for the form of its answers. */
  format: string;
  /** The grammar of tool calls in GBNF; empty without tools. A lazy one applies from a trigger on. */
  grammar: string;
  grammarIsLazy: boolean;
  grammarTriggers: string[];
  takesTools: boolean;
  writesToolCalls: boolean;
  takesSystem: boolean;
}

/** A parsed answer. */
export interface ParsedAnswer {
  content: string;
  thoughts: string;
  /** `arguments` is the JSON that the model wrote. */
  toolCalls: { id: string; name: string; arguments: string }[];
}

/** The reason why the process isn't available. */
export interface TextProcessMissing {
  missing: string;
}

let found: Promise<TextProcess | TextProcessMissing> | undefined;

/**
 * Returns the process, or why it isn't available. The process is used only if it parses a known answer
 * correctly. With another C++ library or another llama.cpp it would not.
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

/** Returns the process. Throws `ERR_ENGINE_NOT_FOUND` if it isn't available. */
async function theProcess(): Promise<TextProcess> {
  const there = await textProcess();
  if (there instanceof TextProcess) return there;
  throw new LlamaEtsError(
    "ERR_ENGINE_NOT_FOUND",
    `llama.cpp's library for templates and grammars can't be used here: ${there.missing}`,
  );
}

/**
 * Renders a template with the given variables. Throws `TextFailure`.
 *
 * @param date the day that the template uses as today, YYYY-MM-DD
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
    // The message begins with an excerpt of the template. Keep only the reason after it.
    const why = /\nError: ([\s\S]+)$/.exec(error.message)?.[1] ?? error.message;
    throw new TextFailure("refused", why.trim());
  }
}

/**
 * Renders one of llama.cpp's own templates. If there is none of this name, returns the known names.
 * Throws `TextFailure` and `ERR_ENGINE_NOT_FOUND`.
 */
export async function renderByName(
  name: string,
  messages: readonly { role: string; content: string }[],
): Promise<{ text: string } | { names: string[] }> {
  const reply = await (await theProcess()).request({ op: "render-named", name, messages });
  return reply as { text: string } | { names: string[] };
}

/**
 * Analyzes a template. Throws `ERR_UNSUPPORTED_MODEL` if the template can't be read, and
 * `ERR_ENGINE_NOT_FOUND`.
 */
export async function describeTemplate(use: TemplateUse): Promise<TemplateDescription> {
  const reply = await theProcess().then((there) =>
    orRefused("The chat template", () => there.request({ op: "describe", ...use })),
  );
  return reply as unknown as TemplateDescription;
}

/**
 * Splits an answer, which may be unfinished, into thoughts, content and tool calls. An answer of an
 * unknown form is all content. Throws as `describeTemplate` does.
 *
 * @param answer the answer's text, with `preservedTokens` written out
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

/** Throws `ERR_INVALID_OPTION` if llama.cpp can't read the grammar. */
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
