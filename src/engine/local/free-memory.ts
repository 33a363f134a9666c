/** Finds the devices that hold a model's contexts, and their free memory. */
import { freemem } from "node:os";
import type { Device, Place } from "../engine.js";
import { LlamaEtsError } from "../errors.js";
import { keptBytes } from "./kept-prompts.js";
import type { NativeModelInfo } from "./native-model.js";

/** The GPUs that llama.cpp puts layers on. It uses integrated GPUs only if there are no others. */
export function gpusAmong(devices: readonly Device[]): Device[] {
  const own = devices.filter(({ type }) => type === "gpu");
  return own.length > 0 ? own : devices.filter(({ type }) => type === "integrated-gpu");
}

/** Names the computing devices: the CPU, or the GPUs, and their number of layers if not all are there. */
export function deviceFor(gpuLayers: number, devices: readonly Device[]): string {
  const gpus = gpuLayers === 0 ? [] : gpusAmong(devices);
  const used = gpus.length > 0 ? gpus : devices.filter(({ type }) => type === "cpu");
  const names = used.map(({ description }) => description).join(", ");
  return gpus.length > 0 && gpuLayers > 0 ? `${names}, ${gpuLayers} layers` : names;
}

/**
 * The share of the model's layers on a GPU, from 0 to 1. It is also the share of keys and values there.
 *
 * @param gpuLayers the number of layers by llama.cpp's count, which begins at the output: 1 is the
 *   output alone, and -1 means all layers
 */
export function gpuShare(layers: number, gpuLayers: number, devices: readonly Device[]): number {
  if (gpusAmong(devices).length === 0) return 0;
  if (gpuLayers < 0 || gpuLayers > layers) return 1;
  return Math.max(0, gpuLayers - 1) / layers;
}

/** "gpu" if any layer is on a GPU. */
export function placeOf(share: number): Place {
  return share > 0 ? "gpu" : "cpu";
}

/**
 * Free bytes for contexts, on the GPUs or in the machine's memory. If the layers are divided between the
 * two, it is the most that fits when each holds its share of the context.
 *
 * @param share the share on GPUs, from `gpuShare`
 * @param machineBytes free bytes of the machine's memory
 */
export function freeBytesFor(
  share: number,
  devices: readonly Device[],
  machineBytes: number,
): number {
  const gpus = gpusAmong(devices);
  const onGpus = gpus.reduce((sum, { freeBytes }) => sum + freeBytes, 0);
  const isMachines = gpus.some(({ type }) => type === "integrated-gpu");
  // An integrated GPU uses the machine's memory, which then holds both parts of a divided model.
  if (share > 0 && isMachines) return Math.min(onGpus / share, machineBytes);
  return Math.min(
    share > 0 ? onGpus / share : Number.POSITIVE_INFINITY,
    share < 1 ? machineBytes / (1 - share) : Number.POSITIVE_INFINITY,
  );
}

/** Bytes of mapped weights that Linux counts as free memory. Using that memory would evict the weights. */
export function mappedBytes(
  { isMapped, sizeBytes }: Pick<NativeModelInfo, "isMapped" | "sizeBytes">,
  place: Place,
): number {
  return isMapped && place === "cpu" && process.platform === "linux" ? sizeBytes : 0;
}

/** Free bytes of the machine's memory for this process. Kept prompts count as free: they can be dropped. */
export function freeMachineBytes(): number {
  // The container's memory limit; 0 or a huge number if there is none.
  const limit = process.constrainedMemory();
  const left = limit > 0 ? limit - process.memoryUsage.rss() : Number.POSITIVE_INFINITY;
  return Math.max(0, Math.min(freemem(), left)) + keptBytes();
}

/**
 * Throws `ERR_OUT_OF_MEMORY` if a context is larger than the machine's free memory. Otherwise llama.cpp
 * would allocate and fill it, until the system kills the process.
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
