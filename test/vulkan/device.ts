/** Models on the Vulkan device; without one the tests are skipped, by name and with the reason. */
import { afterAll, beforeAll, describe } from "vitest";
import { messageOf } from "../../src/engine/errors.js";
import type { LoadModelOptions } from "../../src/engine/local/load-model.js";
import { locateEngine } from "../../src/engine/local/locate-engine.js";
import type { LocalModel } from "../../src/engine/local/model.js";
import { loadLocal } from "../fixtures/models.js";

const missing = await locateEngine("vulkan", "").then(
  () => undefined,
  (error: unknown) => messageOf(error).split("\n", 1)[0],
);

/** `describe`, where there is a device. */
export function describeOnVulkan(name: string, tests: () => void): void {
  if (missing === undefined) describe(name, tests);
  else describe.skip(`${name} (skipped: ${missing})`, tests);
}

/** As `useModel`, on the device. */
export function useOnVulkan(name: string, options: LoadModelOptions = {}): () => LocalModel {
  let model: LocalModel | undefined;
  beforeAll(async () => {
    model = await loadLocal(name, { gpu: "vulkan", threads: 1, ...options });
  });
  afterAll(() => model?.dispose());
  return () => model as LocalModel;
}
