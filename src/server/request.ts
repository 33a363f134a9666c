/** From the body of a request to what the library is asked for. */
import type { Prompt } from "../engine/chat/conversation.js";
import { type ChatMessage, readMessages, readTools, type Tool } from "../engine/chat/messages.js";
import { LlamaEtsError, messageOf } from "../engine/errors.js";
import { checkTaken, findMethod } from "../methods/by-name.js";
import { withDefaults } from "../methods/options.js";
import { METHOD_NAMES, METHODS, type MethodName, type MethodOptions } from "../methods/registry.js";
import { checkOptions } from "../methods/resolve-options.js";
import { namedPotential, openReward, parseReward } from "../rewards/named.js";
import { ApiError, invalid } from "./errors.js";

/** Which of the two forms of OpenAI's API a request has. */
export type Form = "chat" | "text";

/** A request that was checked. */
export interface ServedRequest {
  form: Form;
  method: MethodName;
  /** What the answer calls the model. */
  model: string;
  /** One for each prompt of the request. */
  prompts: Prompt[];
  /** Answers to each prompt. */
  n: number;
  /** The method's; the seed of the first answer is in it. */
  options: MethodOptions;
  stream: boolean;
  includesUsage: boolean;
  /** Whether each token's log-probability is answered, and those of how many others. */
  logprobs: { top: number } | null;
  /** Whether a stream tells of drafts and steps too. */
  events: boolean;
}

/** What requests may name. */
export interface Served {
  /** The model's name. */
  model: string;
  kind: "autoregressive" | "diffusion";
  maxChoices: number;
  /** For what a request leaves open: what suits the model. */
  defaults: MethodOptions;
}

type Body = Readonly<Record<string, unknown>>;

/** Fields that change nothing of the answer. */
const HARMLESS = [
  ...["user", "metadata", "store", "service_tier", "safety_identifier"],
  ...["prompt_cache_key", "prompt_cache_retention"],
];
/** Fields that change nothing with these values. */
const NEUTRAL: Record<string, readonly unknown[]> = {
  ...{ frequency_penalty: [0], presence_penalty: [0], parallel_tool_calls: [true] },
  ...{ echo: [false], suffix: ["", null], verbosity: ["medium"] },
};
const COMMON = [
  ...["model", "stream", "stream_options", "n", "seed", "stop", "temperature", "top_p", "top_k"],
  ...["min_p", "max_tokens", "logprobs", "response_format", "logit_bias", "ets"],
];
const FIELDS: Record<Form, readonly string[]> = {
  chat: [
    ...COMMON,
    ...["messages", "tools", "tool_choice", "max_completion_tokens", "top_logprobs", "modalities"],
  ],
  text: [...COMMON, "prompt", "best_of"],
};
const MAX_TOP = 20;
/** Options that a request may not set: they reach files, or are the request's own fields. */
const NOT_OVER_HTTP = [
  ...["signal", "onPlan", "onStep", "onText", "onWarning", "onProgress", "extract", "shortcuts"],
  ...["chatTemplate", "preset", "raw", "system", "tools", "proposal", "allowedTokens"],
];

/** Whether a request's `ets` may set the option. */
export function isForRequests(option: string): boolean {
  return !NOT_OVER_HTTP.includes(option);
}

/** The names that a request may give as `model`. */
export function modelNames({ model }: Pick<Served, "model">): string[] {
  const methods = METHOD_NAMES.filter((name) => METHODS[name].proposal === undefined);
  return [model, ...methods.map((name) => `${model}+${name}`)];
}

/**
 * Checks a body; nothing that would change the answer is ignored. Throws an `ApiError`, or
 * `ERR_INVALID_OPTION` for what the method refuses.
 */
export async function readRequest(
  body: unknown,
  form: Form,
  served: Served,
): Promise<ServedRequest> {
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw new ApiError(400, "invalid_json", "Expected the body to be a JSON object");
  }
  const fields = withoutNulls(body as Body);
  refuseUnknown(fields, form);
  const { name, method: named } = readModel(fields.model, served);
  const { method, options: guided, events } = readGuidance(fields.ets, named, served);
  const stream = flag(fields, "stream");
  const own = { ...(await toMethodOptions(fields, form)), ...guided };
  const options: MethodOptions = withDefaults(defaultsFor(served, own), own);
  if (METHODS[method].overrides?.temperature !== undefined) delete options.temperature;
  try {
    checkTaken(method, options);
    checkOptions(METHODS[method], withNamedPotential(options));
  } catch (error) {
    throw refusal(error);
  }
  const { potential, reward, ...others } = options as Record<string, unknown>;
  return {
    ...{ form, method, model: name, stream, events },
    prompts: form === "chat" ? [readChat(fields)] : readPrompts(fields.prompt),
    n: integer(fields, "n", 1, served.maxChoices) ?? 1,
    options: {
      ...(others as MethodOptions),
      ...(reward !== undefined && { reward: (await openReward(reward as string)).reward }),
      ...(potential !== undefined && {
        potential: (await openReward(potential as string)).reward,
      }),
    },
    includesUsage: readStreamOptions(fields, stream),
    logprobs: readLogprobs(fields, form),
  };
}

/**
 * The one place where a request's fields become a method's options, but for its `ets`. What a later
 * version of the library can do (constraints, thoughts) is asked for here.
 */
async function toMethodOptions(fields: Body, form: Form): Promise<MethodOptions> {
  refuseResponseFormat(fields.response_format);
  const tools = readToolFields(fields);
  const maxTokens =
    integer(fields, "max_completion_tokens", 1, 2 ** 24) ??
    integer(fields, "max_tokens", 1, 2 ** 24);
  const temperature = number(fields, "temperature", 0, 100);
  const topP = number(fields, "top_p", 0, 1);
  const topK = integer(fields, "top_k", 0, 2 ** 31 - 1);
  const minP = number(fields, "min_p", 0, 1);
  const seed = integer(fields, "seed", Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
  return {
    seed: Math.abs(seed ?? Math.floor(Math.random() * 2 ** 32)),
    ...(form === "text" && { raw: true }),
    ...(maxTokens !== undefined && { maxTokens }),
    ...(temperature !== undefined && { temperature }),
    ...(topP !== undefined && { topP }),
    ...(topK !== undefined && topK > 0 && { topK }),
    ...(minP !== undefined && minP > 0 && { minP }),
    ...(fields.stop !== undefined && { stop: readStop(fields.stop) }),
    ...(tools && { tools }),
  };
}

/** An adaptive run has one step, unless a request says otherwise. */
function defaultsFor({ defaults }: Served, { adaptive = false }: MethodOptions): MethodOptions {
  const { blockTokens: _, ...others } = defaults;
  return adaptive === false ? defaults : others;
}

function withoutNulls(body: Body): Body {
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null));
}

function refuseUnknown(fields: Body, form: Form): void {
  for (const [name, value] of Object.entries(fields)) {
    if (FIELDS[form].includes(name) || HARMLESS.includes(name)) continue;
    if (NEUTRAL[name]?.includes(value)) continue;
    const known = Object.hasOwn(NEUTRAL, name);
    const what = known
      ? `\`${name}\` can only be ${JSON.stringify(NEUTRAL[name]?.[0])} here`
      : `\`${name}\` is not known here, and nothing that may change the answer is ignored`;
    throw invalid(name, what, known ? "unsupported_value" : "unknown_parameter");
  }
  if (fields.logit_bias !== undefined && Object.keys(fields.logit_bias as object).length > 0) {
    throw invalid("logit_bias", "`logit_bias` is not supported", "unsupported_parameter");
  }
  const { modalities } = fields;
  if (modalities !== undefined && JSON.stringify(modalities) !== '["text"]') {
    throw invalid("modalities", 'Expected `modalities` to be ["text"]', "unsupported_value");
  }
  if (fields.best_of !== undefined && fields.best_of !== (fields.n ?? 1)) {
    throw invalid("best_of", "`best_of` has to equal `n`; the method best-of-n picks by a reward");
  }
}

/** `NAME` samples; `NAME+METHOD` names a method. */
function readModel(model: unknown, served: Served): { name: string; method: MethodName } {
  const name = model ?? served.model;
  if (typeof name !== "string") throw invalid("model", "Expected `model` to be a string");
  const plus = name.lastIndexOf("+");
  if (name === served.model) return { name, method: "sample" };
  const method = name.slice(plus + 1);
  if (plus >= 0 && name.slice(0, plus) === served.model) {
    if (findMethod(method) !== undefined) return { name, method: method as MethodName };
    throw invalid("model", `Expected a method after the +, one of ${METHOD_NAMES.join(", ")}`);
  }
  throw new ApiError(
    404,
    "model_not_found",
    `Expected \`model\` to be ${served.model}, or ${served.model}+METHOD, got ${JSON.stringify(name.slice(0, 200))}`,
    { param: "model" },
  );
}

function readGuidance(ets: unknown, named: MethodName, served: Served) {
  if (ets === undefined) return { method: named, options: {}, events: false };
  if (typeof ets !== "object" || ets === null || Array.isArray(ets)) {
    throw invalid("ets", "Expected `ets` to be an object");
  }
  const { method: given, events = false, ...options } = ets as Body;
  const isPlain = named === "sample";
  const method = given ?? (isPlain ? "ets" : named);
  if (typeof method !== "string" || findMethod(method) === undefined) {
    throw invalid("ets.method", `Expected \`ets.method\` to be one of ${METHOD_NAMES.join(", ")}`);
  }
  if (!isPlain && given !== undefined && given !== named) {
    throw invalid("ets.method", `\`model\` names ${named}, and \`ets.method\` ${method}`);
  }
  if (typeof events !== "boolean")
    throw invalid("ets.events", "Expected `ets.events` to be a boolean");
  for (const name of Object.keys(options)) {
    if (isForRequests(name)) continue;
    throw invalid(
      `ets.${name}`,
      `\`ets.${name}\` can't be set by a request`,
      "unsupported_parameter",
    );
  }
  if (METHODS[method as MethodName].proposal !== undefined) {
    throw invalid("ets.method", `${method} needs a proposal, which this server has not`);
  }
  for (const name of ["reward", "potential"]) refuseFiles(name, (options as Body)[name]);
  if (options.diffusion !== undefined && served.kind !== "diffusion") {
    throw invalid("ets.diffusion", "`ets.diffusion` is for diffusion models");
  }
  return { method: method as MethodName, options: options as MethodOptions, events };
}

/** What is named by a request opens no file and loads no model. */
function refuseFiles(name: string, expression: unknown): void {
  if (expression === undefined) return;
  if (typeof expression !== "string" || expression.length > 1000) {
    throw invalid(`ets.${name}`, `Expected \`ets.${name}\` to name a reward`);
  }
  let terms: ReturnType<typeof parseReward>;
  try {
    terms = parseReward(expression, `ets.${name}`);
  } catch (error) {
    throw refusal(error);
  }
  const reaching = terms.find(({ takes }) => takes !== undefined);
  if (reaching === undefined) return;
  throw invalid(
    `ets.${name}`,
    `\`${reaching.kind}:…\` can't be asked for by a request`,
    "unsupported_value",
  );
}

function withNamedPotential({ potential, reward: _, ...options }: MethodOptions) {
  return {
    ...options,
    ...(potential !== undefined && { potential: namedPotential(String(potential)) }),
  };
}

function refusal(error: unknown): unknown {
  if (!(error instanceof LlamaEtsError) || error.code !== "ERR_INVALID_OPTION") return error;
  const [, name = null] = /`([\w.]+)`/.exec(error.message) ?? [];
  return new ApiError(400, "invalid_value", messageOf(error), { param: name });
}

function refuseResponseFormat(format: unknown): void {
  if (format === undefined) return;
  const type = typeof format === "object" && format !== null && (format as Body).type;
  if (type === "text") return;
  throw invalid(
    "response_format",
    `The \`response_format\` ${JSON.stringify(type)} is not supported yet; "text" is`,
    "unsupported_value",
  );
}

function readToolFields(fields: Body): readonly Tool[] | undefined {
  const { tools, tool_choice: choice } = fields;
  if (choice !== undefined && choice !== "auto" && choice !== "none") {
    throw invalid(
      "tool_choice",
      'Expected `tool_choice` to be "auto" or "none": a call can\'t be forced',
      "unsupported_value",
    );
  }
  if (tools === undefined || choice === "none") return undefined;
  if (!Array.isArray(tools)) throw invalid("tools", "Expected `tools` to be an array");
  checked("tools", () => readTools(tools as Tool[]));
  return tools.length === 0 ? undefined : (tools as Tool[]);
}

function readChat({ messages }: Body): Prompt {
  if (!Array.isArray(messages) || messages.length === 0) {
    throw invalid("messages", "Expected `messages` to be an array of messages");
  }
  // OpenAI's newer name of the system's role; and what an answer of theirs has beside its text.
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

function readPrompts(prompt: unknown): Prompt[] {
  const isIds = (value: unknown): value is number[] =>
    Array.isArray(value) && value.length > 0 && value.every((id) => Number.isInteger(id));
  if (typeof prompt === "string" || isIds(prompt)) return [prompt];
  const several = Array.isArray(prompt) && prompt.length > 0 && prompt.length <= 128;
  if (several && prompt.every((one) => typeof one === "string" || isIds(one))) return prompt;
  throw invalid("prompt", "Expected `prompt` to be a string, token ids, or up to 128 of these");
}

function readStop(stop: unknown): string[] {
  const all = Array.isArray(stop) ? stop : [stop];
  const isText = (one: unknown) => typeof one === "string" && one !== "" && one.length <= 1000;
  if (all.length <= 16 && all.every(isText)) return all as string[];
  throw invalid("stop", "Expected `stop` to be a string, or up to 16 of them, none empty");
}

function readStreamOptions(fields: Body, stream: boolean): boolean {
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

function readLogprobs(fields: Body, form: Form): ServedRequest["logprobs"] {
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

function flag(fields: Body, name: string): boolean {
  const { [name]: value = false } = fields;
  if (typeof value === "boolean") return value;
  throw invalid(name, `Expected \`${name}\` to be a boolean`, "invalid_type");
}

function number(fields: Body, name: string, min: number, max: number): number | undefined {
  const { [name]: value } = fields;
  if (value === undefined) return undefined;
  if (typeof value === "number" && value >= min && value <= max) return value;
  throw invalid(name, `Expected \`${name}\` to be a number from ${min} to ${max}`);
}

function integer(fields: Body, name: string, min: number, max: number): number | undefined {
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
