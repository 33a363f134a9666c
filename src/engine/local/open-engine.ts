/** Opens the engine of this process. */
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

/** A process has only one engine. The first loaded model decides which. */
let opened: EngineLocation | undefined;

/**
 * Opens the engine that the first call chooses. Later calls share it. Throws `ERR_ENGINE_MISMATCH` if
 * they ask for another directory or another kind of GPU.
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
  // An engine that was built for a GPU may find none on this machine.
  const hasGpu = gpusAmong(addon().devices()).length > 0;
  opened = hasGpu ? location : { ...location, gpu: false };
  if (!hasGpu) refuseWithoutDevice(gpu, location.directory);
  return opened;
}
