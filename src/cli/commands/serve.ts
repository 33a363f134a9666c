import { basename } from "node:path";
import type { Command } from "commander";
import { bundledDefaults, DEFAULT_MODEL } from "../../engine/bundled-models.js";
import type { Model } from "../../engine/engine.js";
import { LlamaEtsError } from "../../engine/errors.js";
import type { ServedModel } from "../../server/open-models.js";
import { addConfigOption } from "../config-file.js";
import { interruptSignal } from "../exit.js";
import { groupOptions } from "../help-groups.js";
import { collectTexts } from "../method-flags.js";
import {
  addEngineOptions,
  isolatingOwn,
  loadNamedModel,
  loadProposal,
  MODEL_FORMS,
  type ModelFlags,
  proposalSource,
} from "../model-flags.js";
import { numberOption } from "../numbers.js";

interface ServeFlags extends Omit<ModelFlags, "model"> {
  model?: string[];
  name?: string[];
  proposal?: string[];
  host?: string;
  port?: number;
  apiKey?: string;
  cors?: string[];
  parallel?: number;
  queue?: number;
  timeLimit?: number;
  logTexts?: boolean;
}

export function serveCommand(command: Command): Command {
  command.option(
    "-m, --model <model>",
    `${MODEL_FORMS}; may be given several times (default: ${DEFAULT_MODEL})`,
    collectTexts,
  );
  addConfigOption(addEngineOptions(command))
    .option(
      "--name <name>",
      "what requests call the model (default: the file's name); once for each -m, in their order",
      collectTexts,
    )
    .option(
      "--proposal <[name=]model>",
      "the model that draws the rollouts of ets-is, which requests may then ask for; NAME= says whose it is where several are served (default: the bundled model's)",
      collectTexts,
    )
    .option("--host <host>", "address to listen on; others than 127.0.0.1 need a key")
    .option("--port <n>", "port; 0 takes a free one (default: 8080)", numberOption)
    .option("--api-key <key>", "key that requests must have (default: $LLAMA_ETS_API_KEY)")
    .option(
      "--cors <origin>",
      "origin whose pages may ask (default: none); may be given several times",
      collectTexts,
    )
    .option("--parallel <n>", "runs side by side in one context (default: 16)", numberOption)
    .option("--queue <n>", "runs that may wait; more are refused (default: 256)", numberOption)
    .option("--time-limit <s>", "seconds that an answer may take (default: 600)", numberOption)
    .option("--log-texts", "log prompts and answers too")
    .action(run);
  return groupOptions(command, COMMON, () => false, [
    "llama-ets serve -m hf:Qwen/Qwen3-1.7B-GGUF:Q8_0",
    "llama-ets serve -m model.gguf --host 0.0.0.0 --api-key KEY",
    "llama-ets serve -m small.gguf -m large.gguf --name small --name large",
  ]);
}

const COMMON = [
  "model",
  "host",
  "port",
  "api-key",
  "cors",
  "name",
  "proposal",
  "config",
  "parallel",
  "queue",
  "time-limit",
];

async function run(flags: ServeFlags): Promise<void> {
  const { checkNames, checkServeOptions, serve } = await import("../../server/serve.js");
  const { host, port, cors, parallel, queue, timeLimit, logTexts } = flags;
  const apiKey = flags.apiKey ?? process.env.LLAMA_ETS_API_KEY;
  const settings = {
    ...(host !== undefined && { host }),
    ...(port !== undefined && { port }),
    ...(apiKey !== undefined && { apiKey }),
    ...(cors !== undefined && { cors }),
    ...(parallel !== undefined && { parallel }),
    ...(queue !== undefined && { queue }),
    ...(timeLimit !== undefined && { timeLimit }),
    ...(logTexts !== undefined && { logTexts }),
  };
  checkServeOptions(settings);
  const sources = sourcesOf(flags).map(isolatingOwn);
  checkNames(sources.flatMap(({ name }) => name ?? []));
  const signal = interruptSignal();
  await using loaded = new LoadedModels();
  for (const { name, ...source } of sources) {
    const model = loaded.keep(await loadNamedModel(source, signal));
    const hasProposal = proposalSource(source) !== undefined;
    const { task: _, ...defaults } = bundledDefaults(source.model);
    loaded.served.push({
      name: name ?? nameOf(model.path),
      model,
      defaults,
      ...(hasProposal && { proposal: loaded.keep(await loadProposal(source, model, signal)) }),
    });
  }
  await using server = await serve(loaded.served, settings);
  const names = loaded.served.map(({ name }) => name).join(" and ");
  console.error(
    `Serving ${names} at ${server.url} (a page for browsers; OpenAI's API: ${server.url}/v1); Ctrl-C ends it`,
  );
  if (apiKey) console.error("Requests need the key: Authorization: Bearer …");
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
  console.error("Answering what was asked for, then ending; a second Ctrl-C ends at once");
  await server.close();
}

/** The loaded models, which are disposed when the server ends. */
class LoadedModels implements AsyncDisposable {
  readonly served: ServedModel[] = [];
  readonly #all: Model[] = [];

  keep(model: Model): Model {
    this.#all.push(model);
    return model;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#all.map((model) => model.dispose()));
  }
}

/** A model to load. */
interface Source extends ModelFlags {
  /** The model's name in requests. If undefined, the name is that of its file once it is downloaded. */
  name: string | undefined;
  proposal?: string;
}

/** Returns the file's name, or the text after the # of a server's address. */
function nameOf(path: string): string {
  return /^https?:.*#(.+)$/.exec(path)?.[1] ?? basename(path, ".gguf");
}

/** Returns the models to serve. Throws `ERR_INVALID_OPTION` for flags that can't be combined. */
function sourcesOf(flags: ServeFlags): Source[] {
  const { model: models = [DEFAULT_MODEL], name: names = [], proposal: _, ...others } = flags;
  if (models.length > 1 && (others.lora !== undefined || others.rpc !== undefined)) {
    const flag = others.lora === undefined ? "--rpc" : "--lora";
    throw refused(`\`${flag}\` is for one model, got ${models.length}`, "a server for each model");
  }
  if (names.length > models.length) {
    const fix = "as many --name as -m, in their order";
    throw refused(`Expected at most ${models.length} names, got ${names.length}`, fix);
  }
  const sources = models.map((model, i): Source => {
    const isFile = !/^[a-z]{2,}:/i.test(model);
    return { ...others, model, name: names[i] ?? (isFile ? nameOf(model) : undefined) };
  });
  for (const text of flags.proposal ?? []) addProposal(sources, text);
  return sources;
}

/** Parses `NAME=MODEL`. With a single model the proposal may be given without a name. */
function addProposal(sources: readonly Source[], text: string): void {
  const named = sources.find(({ name }) => name !== undefined && text.startsWith(`${name}=`));
  const source = named ?? (sources.length === 1 ? sources[0] : undefined);
  if (source === undefined || source.proposal !== undefined) {
    const fix = `--proposal ${sources.at(-1)?.name ?? "NAME"}=FILE`;
    throw refused(`Expected the proposal of one of the models, got ${text}`, fix);
  }
  source.proposal =
    named === undefined ? text : text.slice(text.indexOf("=", named.name?.length) + 1);
}

function refused(message: string, fix: string): LlamaEtsError {
  return new LlamaEtsError("ERR_INVALID_OPTION", message, { fix });
}
