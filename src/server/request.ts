/** Converts the body of a request to options of the library. */
import type { Prompt } from "../engine/chat/conversation.js";
import { compiledConstraint } from "../engine/constraint/constraint.js";
import { reasonOf } from "../methods/auto.js";
import { chooseByName, type NamedOptions, optionsByName } from "../methods/auto-by-name.js";
import { checkTaken } from "../methods/by-name.js";
import { withDefaults } from "../methods/options/common-specs.js";
import { checkOptions } from "../methods/options/resolve.js";
import { METHODS, type MethodName, type MethodOptions } from "../methods/registry.js";
import type { AutoReason } from "../planning/run-plan.js";
import { namedPotential, openReward } from "../rewards/named.js";
import { ApiError, invalid } from "./errors.js";
import { readEtsField } from "./ets-field.js";
import {
  type Body,
  type Form,
  flag,
  integer,
  number,
  readChat,
  readEffort,
  readLogprobs,
  readPrompts,
  readResponseFormat,
  readStop,
  readStreamOptions,
  readToolFields,
  withoutNulls,
} from "./fields.js";
import { refuseUnknown } from "./known-fields.js";
import { type Asked, readModel, type Served } from "./model-names.js";
import { refusal, refuseTwice } from "./option-errors.js";

/** A checked request. */
export interface ServedRequest {
  form: Form;
  method: MethodName;
  /** Why `auto` chose the method; null if the request named it. */
  auto: AutoReason | null;
  /** The model's name in the answer. */
  model: string;
  /** The prompts of the request. */
  prompts: Prompt[];
  /** The number of answers to each prompt. */
  n: number;
  /** The options of the method, with the seed of the first answer. */
  options: MethodOptions;
  stream: boolean;
  includesUsage: boolean;
  /** The number of alternative tokens with log-probabilities; null if no log-probabilities are returned. */
  logprobs: { top: number } | null;
  /** Whether a stream also contains drafts and steps. */
  events: boolean;
}

/**
 * Checks a body. No field that would change the answer is ignored. Throws an `ApiError`, or
 * `ERR_INVALID_OPTION` for options that the method refuses.
 */
export async function readRequest<S extends Served>(
  body: unknown,
  form: Form,
  { models, maxChoices }: { models: readonly S[]; maxChoices: number },
): Promise<ServedRequest & { served: S }> {
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw new ApiError(400, "invalid_json", "Expected the body to be a JSON object");
  }
  const fields = withoutNulls(body as Body);
  refuseUnknown(fields, form);
  const { name, method: named, served } = readModel(fields.model, models);
  const { method: wanted, options: guided, events } = readEtsField(fields.ets, named, served);
  if (wanted !== "auto" && METHODS[wanted].proposal !== undefined && !served.hasProposal) {
    throw invalid(
      wanted === named ? "model" : "ets.method",
      `${wanted} needs a proposal; ${served.name} is served without --proposal`,
    );
  }
  const stream = flag(fields, "stream");
  const asked = toMethodOptions(fields, form);
  refuseTwice(asked, guided);
  if (asked.constraint !== undefined && served.kind === "diffusion") {
    throw invalid(
      "response_format",
      "`response_format` needs an autoregressive model: a diffusion model doesn't write from left to right",
      "unsupported_value",
    );
  }
  const own: MethodOptions = { seed: Math.floor(Math.random() * 2 ** 32), ...asked, ...guided };
  // A constraint of the request replaces the default constraint of tool calls.
  if (own.constraint !== undefined && own.toolChoice === "auto") delete own.toolChoice;
  let settled: ReturnType<typeof settle>;
  try {
    settled = settle(wanted, own, served);
  } catch (error) {
    throw refusal(error, asked);
  }
  const { method, auto, options } = settled;
  if (METHODS[method].overrides?.temperature !== undefined) delete options.temperature;
  try {
    checkTaken(method, options);
    checkOptions(METHODS[method], withNamedPotential(options));
    // Compiles the constraint before the answer begins, so that errors can still set the status. The run
    // reuses the result.
    await compiledConstraint(options.constraint);
  } catch (error) {
    throw refusal(error, asked);
  }
  const { potential, reward, ...others } = options as Record<string, unknown>;
  return {
    form,
    method,
    auto,
    model: name,
    served,
    stream,
    events,
    prompts: form === "chat" ? [readChat(fields)] : readPrompts(fields.prompt),
    n: integer(fields, "n", 1, maxChoices) ?? 1,
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
 * Returns the named method, or the one that `auto` chooses, with the model's defaults for options that aren't
 * set.
 */
function settle(
  wanted: Asked,
  own: MethodOptions,
  served: Served,
): Pick<ServedRequest, "method" | "auto" | "options"> {
  const defaults = defaultsFor(served, own);
  if (wanted !== "auto") {
    const options = inWholeBlocks(withDefaults(defaults, own), own);
    return { method: wanted, auto: null, options };
  }
  // `auto` chooses the block length itself. Named rewards are opened later.
  const { blockTokens: _, ...suited } = defaults;
  const options = withDefaults(suited, own) as unknown as NamedOptions;
  const choice = chooseByName(options, { isDiffusion: served.kind === "diffusion" });
  return {
    method: choice.method,
    auto: reasonOf(choice),
    options: inWholeBlocks(optionsByName(options, choice) as unknown as MethodOptions, own),
  };
}

/** Converts all fields of a request except `ets` to options of a method. */
function toMethodOptions(fields: Body, form: Form): MethodOptions {
  const constraint = readResponseFormat(fields.response_format);
  const reasoning = readEffort(fields.reasoning_effort);
  const tools = readToolFields(fields);
  if (constraint !== undefined && tools !== undefined) {
    throw invalid(
      "response_format",
      "`response_format` and `tools` exclude each other here: a call is not such an answer",
      "unsupported_value",
    );
  }
  const maxTokens =
    integer(fields, "max_completion_tokens", 1, 2 ** 24) ??
    integer(fields, "max_tokens", 1, 2 ** 24);
  const temperature = number(fields, "temperature", 0, 100);
  const topP = number(fields, "top_p", 0, 1);
  const topK = integer(fields, "top_k", -1, 2 ** 31 - 1); // as in vLLM, -1 means all tokens
  const minP = number(fields, "min_p", 0, 1);
  const seed = integer(fields, "seed", Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
  return {
    ...(seed !== undefined && { seed: Math.abs(seed) }),
    ...(form === "text" && { raw: true }),
    ...(maxTokens !== undefined && { maxTokens }),
    ...(temperature !== undefined && { temperature }),
    ...(topP !== undefined && { topP }),
    ...(topK !== undefined && topK > 0 && { topK }),
    ...(minP !== undefined && minP > 0 && { minP }),
    ...(fields.stop !== undefined && { stop: readStop(fields.stop) }),
    ...tools,
    ...(constraint && { constraint }),
    ...(reasoning !== undefined && { reasoning }),
  };
}

/**
 * Returns the defaults of a model. For a run that ends once a vote is settled, the block length is left out,
 * so that it has one step.
 */
function defaultsFor({ defaults }: Served, { adaptive = false }: MethodOptions): MethodOptions {
  const { blockTokens: _, ...others } = defaults;
  return adaptive === false ? defaults : others;
}

/**
 * Rounds the token limit of a request down to whole blocks. A diffusion model writes whole blocks, and the
 * limit needn't be a multiple of the block length that the server chose.
 */
function inWholeBlocks(options: MethodOptions, { maxTokens, diffusion }: MethodOptions) {
  const { blockLength } = options.diffusion ?? {};
  if (maxTokens === undefined || blockLength === undefined) return options;
  if (diffusion?.blockLength !== undefined) return options;
  const length = Math.min(blockLength, maxTokens);
  return {
    ...options,
    maxTokens: Math.floor(maxTokens / length) * length,
    diffusion: { ...options.diffusion, blockLength: length },
  };
}

function withNamedPotential({ potential, reward: _, ...options }: MethodOptions) {
  return {
    ...options,
    ...(potential !== undefined && { potential: namedPotential(String(potential)) }),
  };
}
