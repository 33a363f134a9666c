/** Where a model's contexts live, and what is free there. */
import { freemem } from "node:os";
import type { Device, Place } from "../engine.js";
import { LlamaEtsError } from "../errors.js";
import { keptBytes } from "./kept-prompts.js";
import type { NativeModelInfo } from "./native-model.js";

/** The devices that llama.cpp puts layers on: integrated GPUs only where there are no others. */
export function gpusAmong(devices: readonly Device[]): Device[] {
  const own = devices.filter(({ type }) => type === "gpu");
  return own.length > 0 ? own : devices.filter(({ type }) => type === "integrated-gpu");
}

/** What computes there, by name: the CPU, or the GPUs and how many layers they have where not all. */
export function deviceFor(gpuLayers: number, devices: readonly Device[]): string {
  const gpus = gpuLayers === 0 ? [] : gpusAmong(devices);
  const used = gpus.length > 0 ? gpus : devices.filter(({ type }) => type === "cpu");
  const names = used.map(({ description }) => description).join(", ");
  return gpus.length > 0 && gpuLayers > 0 ? `${names}, ${gpuLayers} layers` : names;
}

/**
 * The share of the model's layers that a GPU has, and with them of the keys and values, from 0 to 1.
 *
 * @param gpuLayers as llama.cpp counts them, from the last: -1 all; 1 is the output alone
 */
export function gpuShare(layers: number, gpuLayers: number, devices: readonly Device[]): number {
  if (gpusAmong(devices).length === 0) return 0;
  if (gpuLayers < 0 || gpuLayers > layers) return 1;
  return Math.max(0, gpuLayers - 1) / layers;
}

/** A GPU, if any layer is on one. */
export function placeOf(share: number): Place {
  return share > 0 ? "gpu" : "cpu";
}

/**
 * Bytes that contexts may take: on the GPUs, in the machine's memory, or, of layers that are divided
 * between the two, as many as leave each its part.
 *
 * @param share as `gpuShare` gives it
 * @param machineBytes what is free of the machine's memory
 */
export function freeBytesFor(
  share: number,
  devices: readonly Device[],
  machineBytes: number,
): number {
  const gpus = gpusAmong(devices);
  const onGpus = gpus.reduce((sum, { freeBytes }) => sum + freeBytes, 0);
  const isMachines = gpus.some(({ type }) => type === "integrated-gpu");
  // An integrated GPU's memory is the machine's, and both parts of a divided model are in it.
  if (share > 0 && isMachines) return Math.min(onGpus / share, machineBytes);
  return Math.min(
    share > 0 ? onGpus / share : Number.POSITIVE_INFINITY,
    share < 1 ? machineBytes / (1 - share) : Number.POSITIVE_INFINITY,
  );
}

/** Linux counts mapped files as free: taking that memory would evict the weights. */
export function mappedBytes(
  { isMapped, sizeBytes }: Pick<NativeModelInfo, "isMapped" | "sizeBytes">,
  place: Place,
): number {
  return isMapped && place === "cpu" && process.platform === "linux" ? sizeBytes : 0;
}

/** Free bytes of the machine's memory, as far as this process may have it: kept prompts make way. */
export function freeMachineBytes(): number {
  // A container's limit; 0 or a huge number without one.
  const limit = process.constrainedMemory();
  const left = limit > 0 ? limit - process.memoryUsage.rss() : Number.POSITIVE_INFINITY;
  return Math.max(0, Math.min(freemem(), left)) + keptBytes();
}

/**
 * Throws `ERR_OUT_OF_MEMORY` where a context is larger than what is free of the machine's memory: llama.cpp
 * would fill its pages until the system ends the process.
 */
export function refuseBeyondMachine(bytes: number): void {
  const free = freeMachineBytes();
  if (bytes <= free) return;
  const [needed, left] = [bytes, free].map((count) => Math.round(count / 2 ** 20));
  throw new LlamaEtsError(
    "ERR_OUT_OF_MEMORY",
    `The context needs ${needed} MiB; ${left} MiB are free`,
    { fix: "fewer cells or texts, or a smaller model" },
  );
}
