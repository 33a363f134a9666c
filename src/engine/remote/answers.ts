/** Schemas of servers' answers. Every answer is validated before use. */
import { z } from "zod";
import { LlamaEtsError } from "../errors.js";

const count = z
  .number()
  .int()
  .min(0)
  .max(2 ** 31 - 1);
const tokenId = count;
/** A log-probability in nats. Servers write -inf in different ways, such as null. */
const logProb = z.number().max(1e-3).nullable();

const modelCard = z.object({
  id: z.string().min(1).max(1000),
  max_model_len: count.nullish(),
  meta: z
    .object({
      n_vocab: count.optional(),
      n_ctx_train: count.optional(),
      n_params: z.number().min(0).optional(),
      size: z.number().min(0).optional(),
    })
    .nullish(),
});

export const modelsAnswer = z.object({ data: z.array(modelCard).max(100_000) });
export type ModelCard = z.infer<typeof modelCard>;

export const propsAnswer = z.object({
  build_info: z.string(),
  total_slots: count.min(1),
  chat_template: z.string().nullish(),
  default_generation_settings: z.object({ n_ctx: count }),
});

export const versionAnswer = z.object({ version: z.string().max(200) });

export const idsAnswer = z.object({ tokens: z.array(tokenId) });

export const promptAnswer = z.object({ prompt: z.string() });

const nativeCompletion = z.object({
  index: count,
  content: z.string(),
  tokens: z.array(tokenId),
  stop_type: z.enum(["eos", "word", "limit", "none"]),
  tokens_predicted: count,
  tokens_evaluated: count,
  timings: z.object({ cache_n: count.optional() }).nullish(),
  completion_probabilities: z
    .array(
      z.object({
        id: tokenId,
        bytes: z.array(z.number().int().min(0).max(255)),
        prob: z.number().min(0).max(1.001),
      }),
    )
    .optional(),
});

/** A completion of llama-server: one object, or an array with as many as were requested. */
export const nativeAnswer = z
  .union([nativeCompletion, z.array(nativeCompletion)])
  .transform((answer) => (Array.isArray(answer) ? answer : [answer]));

/** A completion of OpenAI's API, with vLLM's additional fields. */
export const completionsAnswer = z.object({
  choices: z.array(
    z.object({
      index: count,
      text: z.string(),
      finish_reason: z.string().nullable(),
      stop_reason: z.union([z.string(), z.number()]).nullish(),
      token_ids: z.array(tokenId).nullish(),
      prompt_logprobs: z
        .array(z.record(z.string(), z.object({ logprob: logProb })).nullable())
        .nullish(),
      logprobs: z
        .object({
          tokens: z.array(z.string()),
          token_logprobs: z.array(logProb),
        })
        .nullish(),
    }),
  ),
  usage: z
    .object({
      prompt_tokens: count,
      completion_tokens: count,
      prompt_tokens_details: z.object({ cached_tokens: count.nullish() }).nullish(),
    })
    .nullish(),
});
export type Choice = z.infer<typeof completionsAnswer>["choices"][number];

/** Validates an answer. Throws `ERR_ENGINE_ANSWER`, which names the wrong field. */
export function readAnswer<T extends z.ZodType>(
  schema: T,
  what: string,
  value: unknown,
): z.infer<T> {
  const read = schema.safeParse(value);
  if (read.success) return read.data;
  throw badAnswer(what, read.error.issues[0]);
}

/** The error for an answer that isn't valid. */
export function badAnswer(
  what: string,
  issue?: { path: readonly PropertyKey[]; message: string } | string,
): LlamaEtsError {
  const why =
    typeof issue === "string"
      ? issue
      : issue &&
        `\`${issue.path.map(String).join(".").slice(0, 100)}\`: ${issue.message.slice(0, 200)}`;
  return new LlamaEtsError(
    "ERR_ENGINE_ANSWER",
    `The server's answer for ${what} is not what it should be${why ? `: ${why}` : ""}`,
    { fix: "a server with OpenAI's API: vLLM, SGLang, llama-server or `llama-ets serve`" },
  );
}
