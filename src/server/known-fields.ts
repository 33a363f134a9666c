/** The fields that a request may have, and the allowed values of fields without effect. */
import { invalid } from "./errors.js";
import { asObject, type Body, type Form } from "./fields.js";

/** Fields that don't change the answer, with their types. */
const HARMLESS: Readonly<Record<string, "string" | "object" | "boolean">> = {
  user: "string",
  metadata: "object",
  store: "boolean",
  service_tier: "string",
  safety_identifier: "string",
  prompt_cache_key: "string",
  prompt_cache_retention: "string",
};
/** Fields that have no effect with these values. Other values are refused. */
const NEUTRAL: Record<string, readonly unknown[]> = {
  frequency_penalty: [0],
  presence_penalty: [0],
  parallel_tool_calls: [true],
  echo: [false],
  suffix: [""],
  verbosity: ["medium"],
  repetition_penalty: [1],
  repeat_penalty: [1], // of vLLM and llama-server
};
const COMMON = [
  "model",
  "stream",
  "stream_options",
  "n",
  "seed",
  "stop",
  "temperature",
  "top_p",
  "top_k",
  "min_p",
  "max_tokens",
  "logprobs",
  "response_format",
  "logit_bias",
  "ets",
];
const FIELDS: Record<Form, readonly string[]> = {
  chat: [
    ...COMMON,
    "messages",
    "tools",
    "tool_choice",
    "max_completion_tokens",
    "top_logprobs",
    "modalities",
    "reasoning_effort",
    "continue_final_message",
    "add_generation_prompt",
  ],
  text: [...COMMON, "prompt", "best_of"],
};
/** Refuses unknown fields, because a field that would change the answer must not be ignored. */
export function refuseUnknown(fields: Body, form: Form): void {
  for (const [name, value] of Object.entries(fields)) {
    if (FIELDS[form].includes(name)) continue;
    if (Object.hasOwn(HARMLESS, name)) {
      const type = HARMLESS[name];
      if (typeof value === type && !Array.isArray(value)) continue;
      throw invalid(name, `Expected \`${name}\` to be of the type ${type}`, "invalid_type");
    }
    const known = Object.hasOwn(NEUTRAL, name);
    if (known && NEUTRAL[name]?.includes(value)) continue;
    const what = known
      ? `\`${name}\` can only be ${JSON.stringify(NEUTRAL[name]?.[0])} here`
      : `\`${name}\` is not known here, and nothing that may change the answer is ignored`;
    throw invalid(name, what, known ? "unsupported_value" : "unknown_parameter");
  }
  const { logit_bias: bias = {} } = fields;
  if (Object.keys(asObject("logit_bias", bias)).length > 0) {
    throw invalid("logit_bias", "`logit_bias` is not supported", "unsupported_parameter");
  }
  const { modalities } = fields;
  if (modalities !== undefined && JSON.stringify(modalities) !== '["text"]') {
    throw invalid("modalities", 'Expected `modalities` to be ["text"]', "unsupported_value");
  }
  if (fields.best_of !== undefined && fields.best_of !== (fields.n ?? 1)) {
    throw invalid("best_of", "`best_of` has to equal `n`; the method best-of-n picks by a reward");
  }
  if (form === "chat") refuseOtherTurn(fields);
}

/**
 * Refuses vLLM's turn fields that ask for other behavior: here an answer always continues a last message of
 * the assistant.
 */
function refuseOtherTurn({ messages, ...fields }: Body): void {
  const last: unknown = Array.isArray(messages) ? messages.at(-1) : undefined;
  const goesOn = (last as Body | null | undefined)?.role === "assistant";
  for (const name of ["continue_final_message", "add_generation_prompt"] as const) {
    const value = fields[name];
    const only = goesOn === (name === "continue_final_message");
    if (value === undefined || value === only) continue;
    throw invalid(
      name,
      `\`${name}\` can only be ${only} where the last message is ${goesOn ? "" : "not "}of the assistant`,
      "unsupported_value",
    );
  }
}
