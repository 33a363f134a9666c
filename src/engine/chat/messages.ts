/** Reads and checks conversations in the form of OpenAI's requests. */
import { createHash } from "node:crypto";
import { checkArray, checkKeys, checkOneOf, checkString, optional } from "../check.js";
import { LlamaEtsError } from "../errors.js";

/** A part of a message. Only parts with text are supported. */
export interface ContentPart {
  type: "text";
  text: string;
}

/** A tool call of a message, in OpenAI's form. */
export interface MessageToolCall {
  id?: string;
  type?: "function";
  /** `arguments` is an object, or the JSON text of one. */
  function: { name: string; arguments: string | Readonly<Record<string, unknown>> };
}

/** One message of a conversation, in the form of OpenAI's requests. */
export interface ChatMessage {
  /** `tool` is the result of a tool. If the last message is the assistant's, the answer continues it. */
  role: "system" | "user" | "assistant" | "tool";
  /** Parts are joined with line feeds. A message with tool calls may omit it, or have null. */
  content?: string | readonly ContentPart[] | null;
  /** The assistant's thoughts before its answer, for templates that write them. */
  reasoning_content?: string;
  tool_calls?: readonly MessageToolCall[];
  /** The id of the call that a tool's message answers. Default: the first call without an answer. */
  tool_call_id?: string;
  /** A tool's name. Default: the name in the call. */
  name?: string;
}

/** A function that the model may call, in OpenAI's form. */
export interface Tool {
  type: "function";
  function: {
    name: string;
    description?: string;
    /** JSON schema of its arguments. Default: it has no arguments. */
    parameters?: Readonly<Record<string, unknown>>;
    strict?: boolean | null;
  };
}

/** A tool call in an answer. */
export interface ToolCall {
  /** Nine letters and digits: some templates accept no other ids. */
  id: string;
  name: string;
  arguments: Record<string, unknown>;
}

/** A message's tool call in the form for templates. */
export interface MessageCall {
  id: string;
  type: "function";
  function: { name: string; arguments: Readonly<Record<string, unknown>> };
}

/** A message in the form for templates: its content is text, and arguments are objects. */
export interface PlainMessage {
  role: ChatMessage["role"];
  content: string;
  reasoning_content?: string;
  tool_calls?: MessageCall[];
  tool_call_id?: string;
  name?: string;
}

/** A tool in the form for templates. */
export interface PlainTool {
  type: "function";
  function: {
    name: string;
    description: string;
    parameters: Readonly<Record<string, unknown>>;
  };
}

const ROLES = ["system", "user", "assistant", "tool"] as const;

/**
 * Checks messages and converts them to the form for templates. Throws `ERR_INVALID_OPTION`, which names
 * the message, for unknown fields, parts that aren't text, calls in messages that aren't the assistant's,
 * and answers to calls that weren't made.
 */
export function readMessages(messages: readonly ChatMessage[]): PlainMessage[] {
  checkArray("prompt", messages);
  /** Calls that no tool has answered yet. */
  let open: { id: string; name: string }[] = [];
  return messages.map((message, i) => {
    const where = `prompt[${i}]`;
    checkKeys(where, message, [
      "role",
      "content",
      "reasoning_content",
      "tool_calls",
      "tool_call_id",
      "name",
    ]);
    const role = checkOneOf("role", message.role, ROLES);
    refuseMisplaced(where, message);
    const read: PlainMessage = { role, content: readContent(message, where) };
    const thoughts = optional(checkString, "reasoning_content", message.reasoning_content);
    const name = optional(checkString, "name", message.name);
    if (thoughts !== undefined) read.reasoning_content = thoughts;
    if (name !== undefined) read.name = name;
    if (role === "tool") {
      const call = answered(message, open, where);
      open = open.filter((one) => one !== call);
      return { ...read, tool_call_id: call.id, name: name ?? call.name };
    }
    const calls = message.tool_calls;
    if (calls === undefined || calls === null || checkArray("tool_calls", calls).length === 0) {
      return read;
    }
    read.tool_calls = calls.map((call, j) => readCall(call, `${where}.tool_calls[${j}]`, i, j));
    open = read.tool_calls.map((call) => ({ id: call.id, name: call.function.name }));
    return read;
  });
}

function refuse(message: string, fix?: string): never {
  throw new LlamaEtsError("ERR_INVALID_OPTION", message, fix === undefined ? {} : { fix });
}

/** Throws for fields that only another role may have. */
function refuseMisplaced(where: string, message: ChatMessage): void {
  const owners = {
    tool_calls: "assistant",
    reasoning_content: "assistant",
    tool_call_id: "tool",
  } as const;
  for (const [field, role] of Object.entries(owners)) {
    if (message[field as keyof typeof owners] === undefined || message.role === role) continue;
    refuse(`\`${field}\` is for messages of the role "${role}"; ${where} is "${message.role}"`);
  }
}

function readContent({ content, tool_calls, role }: ChatMessage, where: string): string {
  if (content === undefined || content === null) {
    const mayLack = role === "assistant" && Array.isArray(tool_calls) && tool_calls.length > 0;
    return mayLack ? "" : checkString("content", content);
  }
  if (!Array.isArray(content)) return checkString("content", content);
  const texts = content.map((part: ContentPart, i): string => {
    const name = `${where}.content[${i}]`;
    if (typeof part !== "object" || part === null) checkKeys(name, part, []);
    if (part.type !== "text") {
      refuse(
        `Expected parts of text, got ${JSON.stringify(part.type)} in ${name}: models read text alone here`,
        "what it shows, told in words",
      );
    }
    checkKeys(name, part, ["type", "text"]);
    return checkString(`${name}.text`, part.text);
  });
  return texts.join("\n");
}

function readCall(
  call: MessageToolCall,
  where: string,
  message: number,
  index: number,
): MessageCall {
  checkKeys(where, call, ["id", "type", "function", "index"]);
  optional((name, type) => checkOneOf(name, type, ["function"]), `${where}.type`, call.type);
  checkKeys(`${where}.function`, call.function, ["name", "arguments"]);
  const { name, arguments: given } = call.function;
  return {
    id: optional(checkString, `${where}.id`, call.id) ?? callId(`${message}:${index}`),
    type: "function",
    function: {
      name: checkName(`${where}.function.name`, name),
      arguments: readArguments(given, `${where}.function.arguments`),
    },
  };
}

function readArguments(given: unknown, where: string): Readonly<Record<string, unknown>> {
  const value = typeof given === "string" ? parsed(given === "" ? "{}" : given) : given;
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return plainObject(value, where);
  }
  return refuse(`Expected \`${where}\` to be an object, or one as JSON`);
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

/** A copy that contains only JSON data. */
function plainObject(value: object, where: string): Record<string, unknown> {
  try {
    return JSON.parse(JSON.stringify(value)) as Record<string, unknown>;
  } catch {
    return refuse(`Expected \`${where}\` to be an object that JSON can write`);
  }
}

function checkName(where: string, name: unknown): string {
  return checkString(where, name) === ""
    ? refuse(`Expected \`${where}\` to name a tool`)
    : (name as string);
}

/** The call that a tool's message answers. */
function answered(
  { tool_call_id: id, name }: ChatMessage,
  open: readonly { id: string; name: string }[],
  where: string,
): { id: string; name: string } {
  optional(checkString, "tool_call_id", id);
  const call = open.find((one) =>
    id === undefined ? name === undefined || one.name === name : one.id === id,
  );
  if (call !== undefined) return call;
  return refuse(
    id === undefined
      ? `${where} answers no call of a tool: the assistant made none that is open`
      : `${where} answers the call \`${id}\`, which the assistant didn't make or which was answered`,
  );
}

/** Checks tools and converts them to the form for templates. Throws `ERR_INVALID_OPTION`. */
export function readTools(tools: readonly Tool[]): PlainTool[] {
  checkArray("tools", tools);
  const read = tools.map((tool, i): PlainTool => {
    const where = `tools[${i}]`;
    checkKeys(where, tool, ["type", "function"]);
    checkOneOf(`${where}.type`, tool.type, ["function"]);
    checkKeys(`${where}.function`, tool.function, ["name", "description", "parameters", "strict"]);
    const { name, description, parameters } = tool.function;
    return {
      type: "function",
      function: {
        name: checkName(`${where}.function.name`, name),
        description: optional(checkString, `${where}.function.description`, description) ?? "",
        parameters: readParameters(parameters, `${where}.function.parameters`),
      },
    };
  });
  const names = read.map((tool) => tool.function.name);
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined) refuse(`Two tools have the name \`${twice}\``);
  return read;
}

function readParameters(parameters: unknown, where: string): Readonly<Record<string, unknown>> {
  if (parameters === undefined || parameters === null) return { type: "object", properties: {} };
  if (typeof parameters === "object" && !Array.isArray(parameters)) {
    return plainObject(parameters, where);
  }
  return refuse(`Expected \`${where}\` to be a JSON schema, an object`);
}

/** An id for a call: nine letters and digits, which depend only on the text. */
export function callId(text: string): string {
  const hash = createHash("sha256").update(text).digest("base64");
  return hash.replace(/[^A-Za-z0-9]/g, "").slice(0, 9);
}
