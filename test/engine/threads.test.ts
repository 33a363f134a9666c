/** How many threads a model decodes with. */
import { describe, expect, test } from "vitest";
import { loadModel } from "../../src/engine/local/load-model.js";
import { addon } from "../../src/engine/local/native.js";
import { chooseThreads } from "../../src/engine/local/threads.js";
import { useModel } from "../fixtures/models.js";

const model = useModel();

describe("threads", () => {
  test("are one for a small model", () => {
    expect(model().threads).toBe(1);
  });

  test("are measured for a large one: at least one, at most all cores", async () => {
    const loading = addon().loadModel({
      path: model().path,
      gpuLayers: 0,
      cachesDiffusion: true,
      onProgress: () => {},
    });
    const native = await loading.promise;
    const { availableParallelism } = await import("node:os");
    // The probe runs for real; only the size that asks for it is given.
    const threads = await chooseThreads(native, { ...native.info(), parameters: 8e9 });
    expect(threads).toBeGreaterThanOrEqual(1);
    expect(threads).toBeLessThanOrEqual(availableParallelism());
    native.close();
  });

  test("are never more than cores: what is asked for beyond them is lowered, and said", async () => {
    const { availableParallelism } = await import("node:os");
    const cores = availableParallelism();
    const warnings: string[] = [];
    const load = async (threads: number) => {
      const options = { gpu: false as const, onWarning: (text: string) => warnings.push(text) };
      const loaded = await loadModel(model().path, { ...options, threads });
      await loaded.dispose();
      return loaded.threads;
    };
    expect(await load(cores)).toBe(cores);
    expect(warnings).toEqual([]);
    expect(await load(512)).toBe(cores);
    expect(warnings).toEqual([expect.stringContaining(`512 threads are more than`)]);
    await expect(load(513)).rejects.toMatchObject({ code: "ERR_INVALID_OPTION" });
  });
});
