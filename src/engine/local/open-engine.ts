/** The engine of the process. */
import path from "node:path";
import { LlamaEtsError } from "../errors.js";
import { unpackedPath } from "../package-files.js";
import { gpusAmong } from "./free-memory.js";
import {
  type EngineLocation,
  type GpuChoice,
  locateEngine,
  refuseWithoutDevice,
} from "./locate-engine.js";
import { addon, rethrow } from "./native.js";

/** One engine a process: the first model loaded decides. */
let opened: EngineLocation | undefined;

/**
 * Opens the engine of the first call's choice; later calls share it, and may not name another
 * directory. Throws `ERR_ENGINE_MISMATCH` when they do.
 */
export async function openEngine(gpu: GpuChoice, directory?: string): Promise<EngineLocation> {
  if (opened !== undefined) {
    if (directory !== undefined && unpackedPath(path.resolve(directory)) !== opened.directory) {
      throw new LlamaEtsError(
        "ERR_ENGINE_MISMATCH",
        `The engine in ${opened.directory} is open; one process can't also use ${directory}`,
        { fix: "the same `engine` for all models, or another process" },
      );
    }
    if (typeof gpu === "string" && gpu !== "auto" && gpu !== opened.gpu) {
      throw new LlamaEtsError(
        "ERR_ENGINE_MISMATCH",
        `The engine that is open runs on ${opened.gpu || "the CPU"}; one process can't also use ${gpu}`,
        { fix: "the same `gpu` for the first model loaded, or another process" },
      );
    }
    return opened;
  }
  const location = await locateEngine(gpu, directory);
  try {
    addon().openEngine(location.directory);
  } catch (error) {
    rethrow(error, { ERR_ENGINE_NOT_FOUND: "npm ci, then `npx llama-ets doctor`" });
  }
  // What it was built for is one thing, what it finds here another.
  const hasGpu = gpusAmong(addon().devices()).length > 0;
  opened = hasGpu ? location : { ...location, gpu: false };
  if (!hasGpu) refuseWithoutDevice(gpu, location.directory);
  return opened;
}
