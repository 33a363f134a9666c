/** Readers of single fields of a request's body. They throw an `ApiError`. */
import type { Prompt } from "../engine/chat/conversation.js";
import { type ChatMessage, readMessages, readTools, type Tool } from "../engine/chat/messages.js";
import type { ReasoningOption } from "../engine/chat/reasoning.js";
import { checkToolChoice, type ToolChoice } from "../engine/chat/tool-choice.js";
import type { Constraint } from "../engine/constraint/kinds.js";
import { messageOf } from "../engine/errors.js";
import { invalid } from "./errors.js";

/** The two forms of requests in OpenAI's API. */
export type Form = "chat" | "text";

export type Body = Readonly<Record<string, unknown>>;

/** The maximum number of alternatives of a token. */
const MAX_TOP = 20;

export function withoutNulls(body: Body): Body {
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null));
}

/**
 * Reads the response format as a constraint; undefined if any text is allowed. Both JSON formats are
 * constraints.
 */
export function readResponseFormat(format: unknown): Constraint | undefined {
  if (format === undefined) return undefined;
  const { type, ...others } = asObject("response_format", format);
  if (type === "text" || type === "json_object") {
    refuseOthers("response_format", others, []);
    return type === "text" ? undefined : { json: { type: "object" } };
  }
  if (type !== "json_schema") {
    throw invalid(
      "response_format",
      `The \`response_format\` ${JSON.stringify(type)?.slice(0, 100)} is not known: "text", "json_object" and "json_schema" are`,
      "unsupported_value",
    );
  }
  refuseOthers("response_format", others, ["json_schema"]);
  const where = "response_format.json_schema";
  const described = asObject(where, others.json_schema);
  refuseOthers(where, described, ["name", "description", "schema", "strict"]);
  const { name, schema } = withoutNulls(described);
  if (typeof name !== "string" || !/^[\w-]{1,64}$/.test(name)) {
    throw invalid(`${where}.name`, "Expected a name of 1 to 64 letters, digits, _ and -");
  }
  flag(withoutNulls(described), "strict", where);
  return { json: asObject(`${where}.schema`, schema) };
}

/** Reads OpenAI's reasoning effort. Undefined keeps the template's default. */
export function readEffort(effort: unknown): ReasoningOption | undefined {
  if (effort === undefined) return undefined;
  if (typeof effort === "string" && Object.hasOwn(EFFORTS, effort)) return EFFORTS[effort];
  throw invalid(
    "reasoning_effort",
    `Expected \`reasoning_effort\` to be one of ${Object.keys(EFFORTS).join(", ")}`,
    "unsupported_value",
  );
}

/** The token budget of thoughts with minimal effort. */
const MINIMAL_BUDGET = 128;
const EFFORTS: Readonly<Record<string, ReasoningOption>> = {
  none: "off",
  minimal: { effort: "low", budget: MINIMAL_BUDGET },
  low: "low",
  medium: "auto",
  high: "high",
};

export function asObject(name: string, value: unknown): Body {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Body;
  throw invalid(name, `Expected \`${name}\` to be an object`, "invalid_type");
}

function refuseOthers(where: string, fields: Body, known: readonly string[]): void {
  const other = Object.keys(fields).find((name) => !known.includes(name));
  if (other === undefined) return;
  throw invalid(
    where,
    `\`${where}.${other.slice(0, 100)}\` is not known here, and nothing that may change the answer is ignored`,
    "unknown_parameter",
  );
}

/** Reads the tools and the tool choice. By default the calls in an answer follow the tools' schemas. */
export function readToolFields(
  fields: Body,
): { tools: readonly Tool[]; toolChoice: ToolChoice } | undefined {
  const { tools, tool_choice: choice = "auto" } = fields;
  if (tools === undefined || choice === "none") {
    if (choice === "none" || choice === "auto") return undefined;
    throw invalid("tool_choice", "`tool_choice` needs `tools`");
  }
  if (!Array.isArray(tools)) throw invalid("tools", "Expected `tools` to be an array");
  checked("tools", () => readTools(tools as Tool[]));
  const toolChoice = choice as ToolChoice;
  checked("tool_choice", () => checkToolChoice(toolChoice, tools as Tool[]));
  return tools.length === 0 ? undefined : { tools: tools as Tool[], toolChoice };
}

export function readChat({ messages }: Body): Prompt {
  if (!Array.isArray(messages) || messages.length === 0) {
    throw invalid("messages", "Expected `messages` to be an array of messages");
  }
  // Accepts OpenAI's newer name of the system role, and drops the additional fields of OpenAI's answers.
  const read = messages.map((message: unknown) => {
    if (typeof message !== "object" || message === null) return message as ChatMessage;
    const { refusal: _, annotations: __, audio: ___, ...known } = message as Body;
    return {
      ...known,
      ...(known.role === "developer" && { role: "system" }),
    } as unknown as ChatMessage;
  });
  checked("messages", () => readMessages(read));
  return read;
}

export function readPrompts(prompt: unknown): Prompt[] {
  const isIds = (value: unknown): value is number[] =>
    Array.isArray(value) && value.length > 0 && value.every((id) => Number.isInteger(id));
  if (typeof prompt === "string" || isIds(prompt)) return [prompt];
  const several = Array.isArray(prompt) && prompt.length > 0 && prompt.length <= 128;
  if (several && prompt.every((one) => typeof one === "string" || isIds(one))) return prompt;
  throw invalid("prompt", "Expected `prompt` to be a string, token ids, or up to 128 of these");
}

export function readStop(stop: unknown): string[] {
  const all = Array.isArray(stop) ? stop : [stop];
  const isText = (one: unknown) => typeof one === "string" && one !== "" && one.length <= 1000;
  if (all.length <= 16 && all.every(isText)) return all as string[];
  throw invalid("stop", "Expected `stop` to be a string, or up to 16 of them, none empty");
}

export function readStreamOptions(fields: Body, stream: boolean): boolean {
  const options = fields.stream_options as Body | undefined;
  if (options === undefined) return false;
  if (!stream || typeof options !== "object") {
    throw invalid("stream_options", "`stream_options` is an object, for requests that stream");
  }
  const unknown = Object.keys(options).find(
    (name) => name !== "include_usage" && name !== "include_obfuscation",
  );
  if (unknown !== undefined) {
    throw invalid(
      `stream_options.${unknown}`,
      `\`${unknown}\` is not known here`,
      "unknown_parameter",
    );
  }
  return flag(options, "include_usage");
}

export function readLogprobs(fields: Body, form: Form): { top: number } | null {
  if (form === "text") {
    const top = integer(fields, "logprobs", 0, MAX_TOP);
    return top === undefined ? null : { top };
  }
  const isAsked = flag(fields, "logprobs");
  const top = integer(fields, "top_logprobs", 0, MAX_TOP);
  if (top !== undefined && !isAsked) {
    throw invalid("top_logprobs", "`top_logprobs` needs `logprobs: true`");
  }
  return isAsked ? { top: top ?? 0 } : null;
}

export function flag(fields: Body, name: string, where?: string): boolean {
  const { [name]: value = false } = fields;
  if (typeof value === "boolean") return value;
  const full = where === undefined ? name : `${where}.${name}`;
  throw invalid(full, `Expected \`${full}\` to be a boolean`, "invalid_type");
}

export function number(fields: Body, name: string, min: number, max: number): number | undefined {
  const { [name]: value } = fields;
  if (value === undefined) return undefined;
  if (typeof value === "number" && value >= min && value <= max) return value;
  const code = typeof value === "number" ? "invalid_value" : "invalid_type";
  throw invalid(name, `Expected \`${name}\` to be a number from ${min} to ${max}`, code);
}

export function integer(fields: Body, name: string, min: number, max: number): number | undefined {
  const value = number(fields, name, min, max);
  if (value === undefined || Number.isInteger(value)) return value;
  throw invalid(name, `Expected \`${name}\` to be an integer`);
}

function checked(param: string, check: () => unknown): void {
  try {
    check();
  } catch (error) {
    throw invalid(param, messageOf(error).replaceAll("prompt[", "messages["));
  }
}
