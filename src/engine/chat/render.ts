/**
 * Renders conversations by templates. Templates differ in the input that they accept: one supports no
 * system messages, another needs parts of text, or an empty list of tools. So a conversation is tried in
 * several forms, and the first form that the template accepts is rendered.
 */
import { TextFailure } from "../text/text-failure.js";
import { TextProcess } from "../text/text-process.js";
import { renderByEngine, renderByName, textProcess } from "../text/text-requests.js";
import { WorkerRenderer } from "../text/worker-renderer.js";
import type { Conversation, TemplateSettings } from "./conversation.js";
import type { MessageCall, PlainMessage } from "./messages.js";

/** Renders a template with variables. A given `date` is used as today. Throws `TextFailure`. */
export type Renderer = (
  template: string,
  context: Readonly<Record<string, unknown>>,
  date?: string,
) => Promise<string>;

/** The form in which a template gets a conversation. */
interface Form {
  /** Whether the system message is put into the first message of the user. */
  foldsSystem: boolean;
  /** Whether contents are lists of parts. */
  hasParts: boolean;
  /** Whether the arguments of tool calls are JSON texts. */
  hasTextArguments: boolean;
  /** The value of `tools` if there are none: null, as in transformers, or an empty list. */
  noTools: null | readonly [];
}

/** All forms, in the order of the attempts. The first is the form of transformers. */
const FORMS: readonly Form[] = [false, true].flatMap((foldsSystem) =>
  [false, true].flatMap((hasParts) =>
    [false, true].flatMap((hasTextArguments) =>
      [null, [] as const].map((noTools) => ({ foldsSystem, hasParts, hasTextArguments, noTools })),
    ),
  ),
);

let inJavaScript: WorkerRenderer | undefined;

/**
 * The default renderer: llama.cpp's, in its process, and the one in JavaScript for templates with features
 * that llama.cpp's doesn't know. Without that process, it is the one in JavaScript alone.
 */
export async function defaultRenderer(): Promise<Renderer> {
  const there = await textProcess();
  if (!(there instanceof TextProcess)) return renderInJavaScript;
  return async (template, context, date) => {
    try {
      return await renderByEngine(there, template, context, date);
    } catch (error) {
      if (!isUnknownWord(error)) throw error;
      return await renderInJavaScript(template, context, date).catch(() => Promise.reject(error));
    }
  };
}

/** Whether the renderer itself has failed. A template may also refuse a conversation on purpose. */
function isUnknownWord(error: unknown): boolean {
  const isRefusal = error instanceof TextFailure && error.kind === "refused";
  return isRefusal && !error.message.includes("Jinja Exception:");
}

/** The renderer in JavaScript, which runs in a thread. */
export function renderInJavaScript(
  template: string,
  context: Readonly<Record<string, unknown>>,
  date?: string,
): Promise<string> {
  inJavaScript ??= new WorkerRenderer();
  return inJavaScript.render(template, context, date);
}

/** Whether a template prints the current date. */
export function printsDate(template: string): boolean {
  return /\bstrftime_now\b/.test(template);
}

/** Whether the text is a template's source. Otherwise it is a template's name. */
export function isSource(template: string): boolean {
  return /\{[{%]/.test(template);
}

/**
 * Renders a conversation in the first form that the template accepts.
 *
 * @returns the text, and a function that renders another conversation in the same form
 * @throws TextFailure the template's error for the first form, if it accepts none
 */
export async function renderConversation(
  conversation: Conversation,
  settings: TemplateSettings,
  renderer?: Renderer,
): Promise<{ text: string; again: (other: Conversation) => Promise<string> }> {
  if (!isSource(settings.template)) {
    const again = (other: Conversation) => renderNamed(other, settings.template);
    return { text: await again(conversation), again };
  }
  const render = renderer ?? (await defaultRenderer());
  const through = (form: Form) => (other: Conversation) =>
    render(settings.template, contextOf(folded(other, form), form, settings), settings.date);
  let refusal: unknown;
  let incomplete: { text: string; again: (other: Conversation) => Promise<string> } | undefined;
  for (const form of FORMS.filter((one) => isAnother(one, conversation))) {
    const again = through(form);
    try {
      const text = await again(conversation);
      if (holdsMessages(text, conversation)) return { text, again };
      incomplete ??= { text, again };
    } catch (error) {
      if (!(error instanceof TextFailure) || error.kind !== "refused") throw error;
      refusal ??= error;
    }
  }
  if (incomplete !== undefined) return incomplete;
  throw refusal;
}

/** Whether a form differs from the earlier forms for this conversation. */
function isAnother(form: Form, { messages, tools }: Conversation): boolean {
  if (form.foldsSystem && messages[0]?.role !== "system") return false;
  if (form.hasTextArguments && callsOf(messages).length === 0) return false;
  return tools.length === 0 || form.noTools === null;
}

/**
 * Whether the text contains the system message and the last user message, because a template may skip
 * either. It also checks that arguments are written as JSON: a template that expects texts writes objects
 * in another way.
 */
function holdsMessages(text: string, { messages }: Conversation): boolean {
  const [first] = messages;
  const system = first?.role === "system" ? [first] : [];
  const user = messages.findLast(({ role }) => role === "user");
  const said = [...system, ...(user ? [user] : [])];
  const keys = callsOf(messages).flatMap(({ function: called }) => Object.keys(called.arguments));
  const isNoJson = keys.some((key) => text.includes(`{'${key}'`) || text.includes("[object Map]"));
  return said.every(({ content }) => text.includes(content.trim())) && !isNoJson;
}

function callsOf(messages: readonly PlainMessage[]): MessageCall[] {
  return messages.flatMap((message) => message.tool_calls ?? []);
}

function folded({ messages, tools }: Conversation, { foldsSystem }: Form): Conversation {
  const [system, ...others] = messages;
  if (!foldsSystem || system?.role !== "system") return { messages, tools };
  const at = others.findIndex(({ role }) => role === "user");
  const user = others[at];
  if (user === undefined) {
    return { messages: [{ role: "user", content: system.content }, ...others], tools };
  }
  const both = { ...user, content: `${system.content}\n\n${user.content}` };
  return { messages: others.with(at, both), tools };
}

/** The template's variables, with the names of transformers. */
function contextOf(
  { messages, tools }: Conversation,
  { hasParts, hasTextArguments, noTools }: Form,
  { bos, eos, variables }: TemplateSettings,
): Record<string, unknown> {
  const asText = ({ function: called, ...call }: MessageCall) => ({
    ...call,
    function: { name: called.name, arguments: JSON.stringify(called.arguments) },
  });
  const inForm = (message: PlainMessage) => ({
    ...message,
    ...(hasParts && { content: [{ type: "text", text: message.content }] }),
    ...(hasTextArguments && message.tool_calls && { tool_calls: message.tool_calls.map(asText) }),
  });
  return {
    messages: messages.map(inForm),
    tools: tools.length === 0 ? noTools : tools,
    documents: null,
    add_generation_prompt: true,
    bos_token: bos,
    eos_token: eos,
    ...variables,
  };
}

async function renderNamed({ messages, tools }: Conversation, name: string): Promise<string> {
  if (tools.length > 0) throw new TextFailure("refused", `\`${name}\` takes no tools`);
  const turns = messages.map(({ role, content }) => ({ role, content }));
  if (turns.some(({ role }) => role === "tool") || messages.some((m) => m.tool_calls)) {
    throw new TextFailure("refused", `\`${name}\` takes no tool calls`);
  }
  const reply = await renderByName(name, turns);
  if ("text" in reply) return reply.text;
  throw new TextFailure(
    "refused",
    `\`${name}\` is neither Jinja nor one of ${reply.names.join(", ")}`,
  );
}
