/** Opens a server's model: detects the kind of server and the features that it supports. */
import { createHash } from "node:crypto";
import { checkInteger, checkKeys, refuse } from "../check.js";
import type { Model } from "../engine.js";
import { LlamaEtsError } from "../errors.js";
import { readAddress, type ServerAddress } from "./address.js";
import { type ModelCard, modelsAnswer, propsAnswer, readAnswer, versionAnswer } from "./answers.js";
import { HttpClient, Refusal } from "./http.js";
import { LlamaServer } from "./llama-server.js";
import { EXTRAS, OpenAiServer, VllmServer } from "./openai-server.js";
import { RemoteModel } from "./remote-model.js";
import { lacks } from "./remote-vocabulary.js";
import type { Server, ServerFacts } from "./server.js";

/** Limits of requests to a server. */
export interface ServerOptions {
  /** Requests at once, from 1 to 1024; further ones wait. Default 16. */
  concurrency?: number;
  /** Time limit of a complete answer in seconds, from 1 to 86,400. Default 600. */
  timeLimit?: number;
  /** The most retries of a request after failures that may be temporary, from 0 to 20. Default 4. */
  retries?: number;
}

export interface RemoteOptions {
  server?: ServerOptions;
  signal?: AbortSignal;
}

/** The assumed length of a context if the server doesn't report it, in tokens. */
const UNKNOWN_CONTEXT = 2 ** 20;
/** The assumed size of an unknown vocabulary: larger than any. Ids of this package's own begin there. */
const UNKNOWN_VOCABULARY = 2 ** 30;
/** Continuations per request, for a server that can draw several in one request. */
const PER_REQUEST = 16;

/**
 * Opens a server's model. The key is the environment variable `LLAMA_ETS_API_KEY`, or else
 * `OPENAI_API_KEY`.
 *
 * @param source `http://host:8000/v1#model`
 * @throws LlamaEtsError `ERR_ENGINE_UNREACHABLE`, `ERR_ENGINE_REFUSED`, `ERR_ENGINE_ANSWER`,
 *   `ERR_MODEL_NOT_FOUND`, `ERR_UNSUPPORTED_MODEL`, `ERR_INVALID_OPTION`
 */
export async function loadRemote(
  source: string,
  { server: options = {}, signal }: RemoteOptions = {},
): Promise<Model> {
  const address = readAddress(source);
  const http = new HttpClient({ ...checkServer(options), key: keyOf(process.env) });
  try {
    const server = await openServer(address, http, signal);
    const tokenizer = await tokenizerOf(server, signal);
    return new RemoteModel(address, server, { close: () => http.close(), tokenizer });
  } catch (error) {
    http.close();
    throw error;
  }
}

function checkServer(options: ServerOptions) {
  if (typeof options !== "object" || options === null) refuse("server", "an object", options);
  checkKeys("server", options, ["concurrency", "timeLimit", "retries"]);
  const { concurrency = 16, timeLimit = 600, retries = 4 } = options;
  return {
    concurrency: checkInteger("server.concurrency", concurrency, 1, 1024),
    timeoutMs: checkInteger("server.timeLimit", timeLimit, 1, 86_400) * 1000,
    retries: checkInteger("server.retries", retries, 0, 20),
  };
}

function keyOf({ LLAMA_ETS_API_KEY, OPENAI_API_KEY }: NodeJS.ProcessEnv): string | null {
  return LLAMA_ETS_API_KEY || OPENAI_API_KEY || null;
}

async function openServer(
  address: ServerAddress,
  http: HttpClient,
  signal: AbortSignal | undefined,
): Promise<Server> {
  const card = await findModel(address, http, signal);
  return (
    (await openLlamaServer(address, http, card, signal)) ?? openOther(address, http, card, signal)
  );
}

/** Finds the named model, or the only one. */
async function findModel(
  { api, given, model }: ServerAddress,
  http: HttpClient,
  signal: AbortSignal | undefined,
): Promise<ModelCard> {
  const answer = await http.json(`${api}/models`, undefined, signal);
  const { data } = readAnswer(modelsAnswer, "the models", answer);
  const found = data.find(({ id }) => id === model);
  if (found !== undefined) return found;
  // `llama-ets serve` lists, beside the model's name, one more name for each method.
  const plain = data.filter(({ id }) => !data.some((other) => id.startsWith(`${other.id}+`)));
  const [only] = plain;
  if (model === null && only !== undefined && plain.length === 1) return only;
  const names = data.slice(0, 10).map(({ id }) => `${given.split("#")[0]}#${id}`);
  throw new LlamaEtsError(
    "ERR_MODEL_NOT_FOUND",
    model === null
      ? `Expected the name of a model behind the address: the server has ${data.length}`
      : `The server has no model ${JSON.stringify(model)}`,
    names.length === 0 ? {} : { fix: names.join(", ") },
  );
}

async function openLlamaServer(
  { root }: ServerAddress,
  http: HttpClient,
  { id, meta }: ModelCard,
  signal: AbortSignal | undefined,
): Promise<Server | null> {
  const told = propsAnswer.safeParse(await ifThere(http.json(`${root}/props`, undefined, signal)));
  if (!told.success) return null;
  const { build_info, total_slots, chat_template, default_generation_settings } = told.data;
  const facts: ServerFacts = {
    kind: "llama-server",
    release: `llama-server ${build_info}`,
    model: id,
    parameters: meta?.n_params ?? 0,
    sizeBytes: meta?.size ?? 0,
    contextLength: default_generation_settings.n_ctx,
    vocabSize: meta?.n_vocab ?? UNKNOWN_VOCABULARY,
    prefixes: "tokens",
    scores: false,
    perRequest: total_slots,
  };
  return new LlamaServer(http, root, facts, chat_template ?? "");
}

/** Tries the kinds of requests that servers support, until the server answers one. */
async function openOther(
  { api, root }: ServerAddress,
  http: HttpClient,
  { id, max_model_len }: ModelCard,
  signal: AbortSignal | undefined,
): Promise<Server> {
  const version = versionAnswer.safeParse(
    await ifThere(http.json(`${root}/version`, undefined, signal)),
  );
  const common = {
    model: id,
    parameters: 0,
    sizeBytes: 0,
    vocabSize: UNKNOWN_VOCABULARY,
    contextLength: max_model_len ?? UNKNOWN_CONTEXT,
  };
  const as = (prefixes: ServerFacts["prefixes"], extras: object, perRequest: number) => {
    const isVllm = prefixes === "tokens";
    const facts: ServerFacts = {
      ...common,
      prefixes,
      perRequest,
      scores: isVllm,
      kind: isVllm ? "vllm" : "openai",
      release: version.success && isVllm ? `vLLM ${version.data.version}` : "an OpenAI server",
    };
    return isVllm
      ? new VllmServer(http, { api, root }, facts, extras)
      : new OpenAiServer(http, api, facts, extras);
  };
  if (version.success) {
    const vllm = as("tokens", EXTRAS, PER_REQUEST);
    if (await answers(vllm, signal)) return vllm;
  }
  for (const [extras, perRequest] of [
    [EXTRAS, PER_REQUEST],
    [{}, PER_REQUEST],
    [EXTRAS, 1],
  ] as const) {
    const server = as("texts", extras, perRequest);
    if (await answers(server, signal)) return server;
  }
  const last = as("texts", {}, 1);
  if (await answers(last, signal, true)) return last;
  throw lacks("Log-probabilities of drawn tokens (`logprobs` of /v1/completions)");
}

/** Whether a server answers a small request with all the fields that this package needs. */
async function answers(
  server: OpenAiServer,
  signal: AbortSignal = new AbortController().signal,
  isLast = false,
): Promise<boolean> {
  const { perRequest, prefixes } = server.facts;
  try {
    const prompt = "Hello";
    const ids = prefixes === "tokens" ? await (server as VllmServer).tokenize(prompt, signal) : [];
    const sampling = { temperature: 1, topK: 0, topP: 1, minP: 0 };
    const { drawn } = await server.complete(
      {
        prefix: { text: prompt, ids },
        n: Math.min(2, perRequest),
        maxTokens: 1,
        stop: [],
        seed: 1,
        sampling: { ...sampling, allowedTokens: [], vocabLimit: UNKNOWN_VOCABULARY },
      },
      signal,
    );
    return drawn.length === Math.min(2, perRequest);
  } catch (error) {
    const isOfRequest = error instanceof Refusal && ![401, 403].includes(error.status);
    const isOfAnswer = error instanceof LlamaEtsError && error.code === "ERR_ENGINE_ANSWER";
    if (isLast || !(isOfRequest || isOfAnswer)) throw error;
    return false;
  }
}

/** Returns undefined if the server has no such address, or if it answers something else there. */
async function ifThere(answer: Promise<unknown>): Promise<unknown> {
  try {
    return await answer;
  } catch (error) {
    const isOther =
      error instanceof Refusal ||
      (error instanceof LlamaEtsError && error.code === "ERR_ENGINE_ANSWER");
    if (isOther) return undefined;
    throw error;
  }
}

/** A text with scripts, numbers and code that tokenizers split in different ways. */
const SAMPLE_TEXT =
  "The quick brown fox doesn't jump 1234567 times, naïvely: Ωμέγα, привет, 你好世界, 🙂\n\n\tif (x != y) {}";

/** A hash that identifies the tokenizer; null if the server doesn't report tokens. */
async function tokenizerOf(
  server: Server,
  signal: AbortSignal | undefined,
): Promise<string | null> {
  const ids = await server.tokenize?.(SAMPLE_TEXT, signal);
  return ids === undefined ? null : createHash("sha256").update(ids.join()).digest("hex");
}
