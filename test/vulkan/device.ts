/** Models on the Vulkan device; without one the tests are skipped, by name and with the reason. */
import { afterAll, beforeAll, describe } from "vitest";
import { messageOf } from "../../src/engine/errors.js";
import { type LoadModelOptions, loadToProve } from "../../src/engine/local/load-model.js";
import { locateEngine } from "../../src/engine/local/locate-engine.js";
import type { LocalModel } from "../../src/engine/local/model.js";

const missing = await locateEngine("vulkan", "").then(
  () => undefined,
  (error: unknown) => messageOf(error).split("\n", 1)[0],
);

/** `describe`, where there is a device. */
export function describeOnVulkan(name: string, tests: () => void): void {
  if (missing === undefined) describe(name, tests);
  else describe.skip(`${name} (skipped: ${missing})`, tests);
}

/** As `useModel`, on the device, and without the probe of forks, which takes half a minute there. */
export function useOnVulkan(name: string, options: LoadModelOptions = {}): () => LocalModel {
  let model: LocalModel | undefined;
  beforeAll(async () => {
    model = await loadToProve(name, { gpu: "vulkan", threads: 1, ...options });
  });
  afterAll(() => model?.dispose());
  return () => model as LocalModel;
}
