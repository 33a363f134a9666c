/** Finds out which models this machine can run, and which could be proposals, without reading weights. */
import { readdir, stat } from "node:fs/promises";
import path from "node:path";
import { type BundledModel, bundledModels } from "../engine/bundled-models.js";
import { checkInteger, checkKeys, checkOneOf, checkString, optional } from "../engine/check.js";
import { isLaterPart } from "../engine/download/address.js";
import type { KeptModel } from "../engine/download/kept-models.js";
import type { Place } from "../engine/engine.js";
import { LlamaEtsError } from "../engine/errors.js";
import { largest } from "../engine/largest.js";
import { isFileOf, type KnownModel, POPULAR_MODELS } from "../engine/popular-models.js";
import { imagineModel, readModel } from "../engine/read-model.js";
import type { PlaceOptions, Speed, UnloadedModel } from "../engine/unloaded-model.js";
import { ets } from "./ets.js";
import { planRun } from "./run/plan-run.js";
import { sample } from "./sample.js";

/** Where the model would run. */
export type InspectOptions = PlaceOptions;

/** What a model is, and what this machine can do with it. */
export interface InspectedModel {
  /** A path, or the `hf:` URI of one that isn't here. */
  source: string;
  kind: "autoregressive" | "diffusion" | "classifier";
  architecture: string;
  parameters: number;
  /** The bytes of the weights. */
  sizeBytes: number;
  /** The longest text that it was made for, in tokens. */
  contextLength: number;
  /** Why `loadModel` would refuse it; absent if it would not. */
  refusal?: string;
  /** The memory of a run; null for a model that writes no texts. */
  memory: MemoryFit | null;
  /** Tokens per second of one text; null if no model was measured here (`llama-ets doctor -m FILE`). */
  speed: Speed | null;
}

/** The memory of a run of `ets` with 8 candidates, its other defaults, and a prompt of up to 512 tokens. */
export interface MemoryFit {
  /** Whether it fits, perhaps in waves. */
  fits: boolean;
  /** The place of its contexts. */
  place: Place;
  /** Predicted peak in bytes: weights and contexts. If the run doesn't fit, the bytes that it would need. */
  plannedBytes: number;
  /** The free bytes there now. */
  freeBytes: number;
  /** The longest single text, prompt and answer, that the model and the free memory allow; 0: none. */
  longestText: number;
}

/** A smaller model that reads the same tokens as another one. */
export interface SuggestedProposal {
  /** What `proposal` and `--proposal` take. */
  source: string;
  sizeBytes: number;
  /** Whether it is on this machine, and its vocabulary was compared. */
  isHere: boolean;
}

/** The models that this machine has, and popular ones. */
export interface ListedModels {
  bundled: (BundledModel & ListedModel)[];
  downloaded: (KeptModel & ListedModel)[];
  /** Others that many use, and that one name downloads. */
  popular: InspectedModel[];
}

/** A model of the list: what it is, or why its file can't be used. */
export interface ListedModel {
  /** Null where the file could not be read; `problem` then says why. */
  inspected: InspectedModel | null;
  problem?: string;
  /** Those among the models that are here; the largest first. */
  proposals: SuggestedProposal[];
}

const PROMPT_TOKENS = 512;
/** The longest text is found in steps of this many tokens. */
const TEXT_UNIT = 256;
/** A proposal of more than half of its reference's size gains nothing. */
const LARGEST_PROPOSAL = 0.5;

/**
 * What a model on this machine is, and whether a run on it fits: its header and vocabulary are read.
 *
 * @example
 * const { memory } = await inspectModel("model.gguf");
 * if (memory?.fits) console.log(`texts of up to ${memory.longestText} tokens`);
 *
 * @param source a path or a bundled model's name; a `hf:` URI is downloaded unless it is here
 * @throws LlamaEtsError as `loadModel` does for what isn't there, or is no model
 */
export async function inspectModel(
  source: string,
  options: InspectOptions = {},
): Promise<InspectedModel> {
  return describe(await readModel(checkString("source", source), checkPlace(options)));
}

/**
 * The bundled and the downloaded models, and popular ones, with what this machine can run. No weights are
 * read.
 *
 * @throws LlamaEtsError `ERR_INVALID_OPTION`, `ERR_ENGINE_NOT_FOUND`
 */
export async function listModels(options: InspectOptions = {}): Promise<ListedModels> {
  const { keptModels } = await import("../engine/download/kept-models.js");
  const place = checkPlace(options);
  const here = new Map<string, UnloadedModel>();
  const look = async <T extends { path: string; broken?: string }>(model: T) => {
    const found = model.broken === undefined ? await tryToRead(model.path, place) : model.broken;
    if (typeof found === "string") return { ...model, inspected: null, problem: found };
    here.set(model.path, found);
    return { ...model, inspected: describe(found) };
  };
  const bundled = await eachInTurn(bundledModels(), look);
  const downloaded = await eachInTurn(await keptModels(), look);
  const named = POPULAR_MODELS.filter(
    (known) => !downloaded.some(({ name }) => isFileOf(known, name)),
  );
  const popular = await eachInTurn(named, async (known) =>
    describe(await imagineModel(known, place)),
  );
  const withProposals = <T extends { path: string }>(model: T) => {
    const read = here.get(model.path);
    return { ...model, proposals: read ? proposalsAmong(read, [...here.values()]) : [] };
  };
  return {
    bundled: bundled.map(withProposals),
    downloaded: downloaded.map(withProposals),
    popular,
  };
}

/**
 * Models with the same tokenizer and at most half the size, which could draw a model's rollouts for ETS-IS:
 * downloaded and bundled models and those in the directory of its file, the largest first. If there is
 * none, a popular one of its family. `checkProposal` measures how close a proposal is.
 *
 * @throws LlamaEtsError as `inspectModel` does
 */
export async function suggestProposals(
  source: string,
  options: InspectOptions = {},
): Promise<SuggestedProposal[]> {
  const { keptModels } = await import("../engine/download/kept-models.js");
  const place = checkPlace(options);
  const model = await readModel(checkString("source", source), place);
  const files = [...bundledModels(), ...(await keptModels())].map(({ path }) => path);
  const names = await readdir(path.dirname(model.path)).catch(() => []);
  const beside = names
    .filter((name) => /\.gguf$/i.test(name) && !isLaterPart(name))
    .map((name) => path.join(path.dirname(model.path), name));
  const others: UnloadedModel[] = [];
  for (const file of new Set([...files, ...beside])) {
    const { size } = await stat(file).catch(() => ({ size: Number.POSITIVE_INFINITY }));
    if (size > model.info.sizeBytes) continue;
    const other = await tryToRead(file, place);
    if (typeof other !== "string") others.push(other);
  }
  const found = proposalsAmong(model, others);
  return found.length > 0 ? found : popularProposals(model);
}

/** Works on the items one after another, because each reads a whole vocabulary into memory. */
async function eachInTurn<T, U>(items: readonly T[], work: (item: T) => Promise<U>): Promise<U[]> {
  const done: U[] = [];
  for (const item of items) done.push(await work(item));
  return done;
}

/** A model, or the reason why it can't be read. Errors that concern all models are thrown. */
async function tryToRead(file: string, place: PlaceOptions): Promise<UnloadedModel | string> {
  try {
    return await readModel(file, place);
  } catch (error) {
    const concernsAll = ["ERR_ENGINE_NOT_FOUND", "ERR_ENGINE_MISMATCH"];
    if (error instanceof LlamaEtsError && !concernsAll.includes(error.code)) return error.message;
    throw error;
  }
}

function proposalsAmong(
  model: UnloadedModel,
  others: readonly UnloadedModel[],
): SuggestedProposal[] {
  if (model.kind !== "autoregressive" || model.info.labels.length > 0) return [];
  return others
    .filter(
      ({ kind, info, tokenizer, refusal }) =>
        tokenizer === model.tokenizer &&
        kind === model.kind &&
        info.labels.length === 0 &&
        refusal === undefined &&
        info.sizeBytes <= LARGEST_PROPOSAL * model.info.sizeBytes,
    )
    .sort((a, b) => b.info.sizeBytes - a.info.sizeBytes)
    .map(({ path, info: { sizeBytes } }) => ({ source: nameOf(path), sizeBytes, isHere: true }));
}

/** A bundled model by its name. */
function nameOf(file: string): string {
  return bundledModels().find(({ path }) => path === file)?.name ?? file;
}

/** The smallest of the family; its vocabulary is compared when it is here. */
function popularProposals({ architecture, info, kind }: UnloadedModel): SuggestedProposal[] {
  const isOfFamily = (known: KnownModel) =>
    known.architecture === architecture &&
    known.vocabSize === info.vocabSize &&
    known.sizeBytes <= LARGEST_PROPOSAL * info.sizeBytes;
  const known = kind === "autoregressive" ? POPULAR_MODELS.find(isOfFamily) : undefined;
  return known === undefined
    ? []
    : [{ source: known.uri, sizeBytes: known.sizeBytes, isHere: false }];
}

function describe(model: UnloadedModel): InspectedModel {
  const { info, refusal, speed } = model;
  const isClassifier = info.labels.length > 0;
  return {
    source: model.path,
    kind: isClassifier ? "classifier" : model.kind,
    architecture: model.architecture,
    parameters: info.parameters,
    sizeBytes: info.sizeBytes,
    contextLength: info.contextLength,
    ...(refusal !== undefined && { refusal }),
    memory: isClassifier || refusal !== undefined ? null : fitOf(model),
    speed: isClassifier ? null : (speed ?? null),
  };
}

function fitOf(model: UnloadedModel): MemoryFit {
  const free = model.freeMemory();
  const { place, bytes, mappedBytes } = free;
  const { contextLength, sizeBytes } = model.info;
  const promptTokens = Math.min(PROMPT_TOKENS, Math.ceil(contextLength / 2));
  const plan = tryToPlan(() => planRun(ets, model, {}, promptTokens).plan);
  const ideal = { ...model, freeMemory: () => ({ ...free, bytes: 2 ** 50 }) };
  const { peakBytes } = plan ?? planRun(ets, ideal, {}, promptTokens).plan;
  return {
    fits: plan !== undefined,
    place,
    plannedBytes: peakBytes,
    // The weights are not loaded yet, so they are added to what is free.
    freeBytes: mappedBytes > 0 ? bytes : bytes + sizeBytes,
    longestText: longestText(model),
  };
}

function longestText(model: UnloadedModel): number {
  const { contextLength } = model.info;
  const lengthOf = (units: number) => Math.min(contextLength, units * TEXT_UNIT);
  const fits = (units: number) => {
    const maxTokens = Math.floor(lengthOf(units) / 2);
    const promptTokens = lengthOf(units) - maxTokens;
    // A diffusion model's answer is of whole blocks.
    const options = model.kind === "diffusion" ? { diffusion: { blockLength: maxTokens } } : {};
    return (
      tryToPlan(() => planRun(sample, model, { maxTokens, ...options }, promptTokens)) !== undefined
    );
  };
  const most = Math.ceil(contextLength / TEXT_UNIT);
  return lengthOf(fits(most) ? most : largest(most - 1, fits));
}

function tryToPlan<T>(plan: () => T): T | undefined {
  try {
    return plan();
  } catch (error) {
    if (error instanceof LlamaEtsError && error.code === "ERR_OUT_OF_MEMORY") return undefined;
    throw error;
  }
}

function checkPlace(options: InspectOptions): PlaceOptions {
  checkKeys("options", options, ["gpu", "engine", "gpuLayers"]);
  const { gpu, engine, gpuLayers } = options;
  if (gpu !== undefined) checkOneOf("gpu", gpu, ["auto", "cuda", "vulkan", "metal", false]);
  optional(checkString, "engine", engine);
  if (gpuLayers !== undefined) checkInteger("gpuLayers", gpuLayers, 0, 2 ** 16);
  return options;
}
