/** The flags by which commands name models, and the loading of these models. */
import type { Command } from "commander";
import pc from "picocolors";
import { BUNDLED_PROPOSAL, DEFAULT_MODEL, resolveBundledName } from "../engine/bundled-models.js";
import { checkOneOf } from "../engine/check.js";
import type { Model } from "../engine/engine.js";
import { LlamaEtsError } from "../engine/errors.js";
import type { KvType } from "../engine/kv-types.js";
import { loadModel } from "../engine/load-model.js";
import type { GpuChoice } from "../engine/local/locate-engine.js";
import type { LoraOptions } from "../engine/local/model-variants.js";
import type { AttentionChoice } from "../engine/local/own-attention.js";
import { namesServer } from "../engine/remote/address.js";
import { gibibytes } from "./format.js";
import { numberOption, numberOrAuto } from "./numbers.js";
import { printable } from "./printable.js";

export interface ModelFlags {
  model: string;
  gpu: string;
  engine?: string;
  attention?: AttentionChoice;
  gpuLayers?: number;
  lora?: LoraOptions[];
  kv?: KvType;
  sampling?: "host" | "device";
  threads: number | "auto";
  /** "own" isolates only models that aren't bundled. */
  isolate?: boolean | "own";
  rpc?: string[];
}

/** The flag that selects the libraries of llama.cpp. */
const ENGINE_OPTION = [
  "--engine <dir>",
  "engine of your own, from `llama-ets build-engine` (default: $LLAMA_ETS_ENGINE)",
] as const;

/** Adds the flags for the place of a model, for commands without a model of their own. */
export function addPlaceOptions(command: Command): Command {
  return command
    .option("--gpu <kind>", "auto, cuda, vulkan, metal or off", "auto")
    .option(...ENGINE_OPTION)
    .option("--gpu-layers <n>", "layers of the model kept on the GPU (default: all)", numberOption);
}

export interface PlaceFlags {
  gpu: string;
  engine?: string;
  gpuLayers?: number;
}

/** Throws `ERR_INVALID_OPTION`. */
export function placeOf({ gpu: kind, engine, gpuLayers }: PlaceFlags) {
  checkOneOf("--gpu", kind, ["auto", "cuda", "vulkan", "metal", "off", "false"]);
  const gpu = kind === "off" || kind === "false" ? false : (kind as GpuChoice);
  return {
    gpu,
    ...(engine !== undefined && { engine }),
    ...(gpuLayers !== undefined && { gpuLayers }),
  };
}

/** The flag that selects the implementation of attention on a CPU. */
export const ATTENTION_OPTION = [
  "--attention <kind>",
  "who computes attention on a CPU: auto, engine or own (default: $LLAMA_ETS_ATTENTION, or auto)",
] as const;

/** The forms of a model's name, for help texts. */
export const MODEL_FORMS =
  "GGUF file, hf:user/repo:Q4_K_M, a server (http://host:8000/v1#model), or a bundled name";

export function addModelOptions(command: Command): Command {
  return addEngineOptions(command.option("-m, --model <model>", MODEL_FORMS, DEFAULT_MODEL));
}

/** Adds the flags that apply to the loading of any model. */
export function addEngineOptions(command: Command): Command {
  return command
    .option("--gpu <kind>", "auto, cuda, vulkan, metal or off", "auto")
    .option(...ENGINE_OPTION)
    .option(...ATTENTION_OPTION)
    .option("--gpu-layers <n>", "layers kept on the GPU (default: all)", numberOption)
    .option(
      "--lora <file[:scale]>",
      "LoRA adapter of the model, and its scale (default: 1); may be given several times",
      collectLora,
    )
    .option("--kv <type>", "cached keys and values: f16 (default), q8_0, q4_0 or another type")
    .option("--sampling <place>", "where tokens are drawn: host or device (default: host)")
    .option("--threads <n>", "CPU threads, or auto", numberOrAuto, "auto")
    .option("--isolate", "run the engine in a process of its own, whose crash is an error")
    .option(
      "--no-isolate",
      "run it in this one (default: serve, eval and worker isolate all models but the bundled)",
    )
    .option(
      "--rpc <servers>",
      "RPC servers of llama.cpp that lend their devices, host:port,host:port; implies --isolate",
      (text) => text.split(","),
    );
}

/** Parses `FILE:SCALE`. Without a scale it is 1. */
function collectLora(text: string, before: LoraOptions[] = []): LoraOptions[] {
  const [, path = text, scale = "1"] = /^(.+):([+-]?(?:\d+\.?\d*|\.\d+))$/.exec(text) ?? [];
  return [...before, { path, scale: Number(scale) }];
}

/**
 * Returns the flags of a long-running command, whose engines run in separate processes by default. Bundled
 * models are excluded, because one of their steps takes no longer than a call of another process.
 */
export function isolatingOwn<T extends ModelFlags>(flags: T): T {
  return { ...flags, isolate: flags.isolate ?? "own" };
}

/** Loads the model that the options name, with a progress bar. */
export async function loadNamedModel(flags: ModelFlags, signal?: AbortSignal): Promise<Model> {
  const place = placeOf(flags);
  const { progressBar } = await import("./terminal.js");
  const bar = progressBar();
  const { model } = flags;
  const isOwn = !namesServer(model) && resolveBundledName(model) === model;
  const isolate = flags.isolate === "own" ? isOwn || undefined : flags.isolate;
  try {
    return await loadModel(model, {
      ...place,
      threads: flags.threads,
      ...(flags.attention !== undefined && { attention: flags.attention }),
      ...(flags.lora !== undefined && { loras: flags.lora }),
      ...(flags.kv !== undefined && { kv: flags.kv }),
      ...(flags.sampling !== undefined && { sampling: flags.sampling }),
      ...(isolate !== undefined && { isolate }),
      ...(flags.rpc !== undefined && { rpc: flags.rpc }),
      ...(signal && { signal }),
      onWarning: (message) => bar.say(pc.yellow(`caution: ${message}`)),
      onProgress: ({ phase, progress, total, note, retrying }) => {
        if (note !== undefined) bar.say(printable(`${flags.model}: ${note}`));
        if (retrying !== undefined) bar.say(printable(`${flags.model}: ${retrying}`));
        const what = phase === "download" ? "Downloading" : "Loading";
        const size = !total ? "" : ` of ${gibibytes(total)} GiB`;
        bar.show(progress, `${what} ${flags.model}${size}`);
      },
    });
  } finally {
    bar.close();
  }
}

/** Loads another model beside the one that the flags name, without that model's adapters and RPC servers. */
export function loadOtherModel(
  { lora: _, rpc: __, ...flags }: ModelFlags,
  model: string,
  signal?: AbortSignal,
): Promise<Model> {
  return loadNamedModel({ ...flags, model }, signal);
}

interface ProposalFlags extends ModelFlags {
  proposal?: string;
}

/** Returns the named proposal, or that of the bundled model. */
export function proposalSource({ model, proposal }: ProposalFlags): string | undefined {
  return proposal ?? (model === DEFAULT_MODEL ? BUNDLED_PROPOSAL : undefined);
}

/**
 * The model that draws the rollouts of ETS-IS: the named proposal, or that of the bundled model. A diffusion
 * model without one draws its own rollouts.
 */
export async function loadProposal(
  flags: ProposalFlags,
  model: Model,
  signal?: AbortSignal,
): Promise<Model> {
  const source = proposalSource(flags);
  if (source !== undefined) return loadOtherModel(flags, source, signal);
  if (model.kind === "diffusion") return model;
  throw new LlamaEtsError(
    "ERR_INVALID_OPTION",
    "Expected --proposal, the model that draws the rollouts",
    {
      fix: `--proposal FILE, a smaller model of the same family; \`llama-ets doctor -m ${flags.model}\` names one that is here`,
    },
  );
}
