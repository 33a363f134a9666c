/** Where a model's contexts live, and what is free there. */
import { freemem } from "node:os";
import type { FreeMemory, Place } from "../engine.js";
import { keptBytes } from "./kept-prompts.js";
import { addon } from "./native.js";

/** A GPU, if there is one and the model has layers on it. */
export function placeOf(gpuLayers: number): Place {
  const hasGpu =
    gpuLayers !== 0 &&
    addon()
      .devices()
      .some(({ type }) => type === "gpu");
  return hasGpu ? "gpu" : "cpu";
}

/**
 * The GPUs' free memory, or the machine's as far as this process may have it: that of kept prompts
 * too, which make way.
 */
export function freeMemoryAt(place: Place): Pick<FreeMemory, "place" | "bytes"> {
  if (place === "gpu") {
    const gpus = addon()
      .devices()
      .filter(({ type }) => type === "gpu");
    return { place, bytes: gpus.reduce((sum, gpu) => sum + gpu.freeBytes, 0) };
  }
  // A container's limit; 0 or a huge number without one.
  const limit = process.constrainedMemory();
  const left = limit > 0 ? limit - process.memoryUsage.rss() : Number.POSITIVE_INFINITY;
  return { place, bytes: Math.max(0, Math.min(freemem(), left)) + keptBytes() };
}
