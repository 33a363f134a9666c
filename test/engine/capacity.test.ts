import { freemem } from "node:os";
import { describe, expect, test } from "vitest";
import { type Demand, planCapacity } from "../../src/engine/capacity.js";
import { addon } from "../../src/engine/native.js";
import { chooseThreads } from "../../src/engine/threads.js";
import { useModel } from "../fixtures/models.js";

const model = useModel();
const demand: Demand = {
  promptTokens: 40,
  maxTokens: 100,
  parallel: 32,
  held: 9,
  heldTokens: 25,
};

describe("a plan", () => {
  test("has room for the prompt, the text, its candidates and all that runs side by side", () => {
    const { cells, sequences } = planCapacity(model(), demand, 64);
    expect(sequences).toBe(32 + 9);
    expect(cells).toBe(40 + 100 + 8 * 25 + 32 * 100);
  });

  test("leaves what exceeds the limit, or the engine's sequences, to waves", () => {
    expect(planCapacity(model(), demand, 8).sequences).toBe(8 + 9);
    expect(planCapacity(model(), { ...demand, parallel: 10_000 }, 10_000).sequences).toBe(256);
  });

  test("shrinks to what memory holds, and says so when not even one fits", () => {
    // As many layers as let about ten continuations run beside the prompt.
    const { kvHeads } = model().info;
    const bytesPerLayer = kvHeads * (32 + 32) * 2;
    const layers = Math.round((freemem() * 0.8) / (bytesPerLayer * (140 + 10 * 100)));
    const withLayers = (n: number) => ({
      info: { ...model().info, layers: n },
      metadata: model().metadata,
    });
    const { sequences } = planCapacity(
      withLayers(layers),
      { ...demand, held: 1, parallel: 200 },
      256,
    );
    expect(sequences).toBeGreaterThan(1 + 6);
    expect(sequences).toBeLessThan(1 + 14);
    expect(() => planCapacity(withLayers(layers * 20), demand, 64)).toThrowError(
      expect.objectContaining({ code: "ERR_OUT_OF_MEMORY" }),
    );
  });

  test("refuses a prompt and text that exceed the model's context, with what would fit", () => {
    const { contextLength } = model().info;
    const long = { ...demand, maxTokens: contextLength };
    expect(() => planCapacity(model(), long, 64)).toThrowError(
      expect.objectContaining({
        code: "ERR_CONTEXT_FULL",
        message: expect.stringContaining(`maxTokens: ${contextLength - 40}`),
      }),
    );
  });

  test("refuses more kept candidates than the engine has sequences", () => {
    expect(() => planCapacity(model(), { ...demand, held: 256 }, 64)).toThrowError(
      expect.objectContaining({ code: "ERR_INVALID_OPTION" }),
    );
  });
});

describe("threads", () => {
  test("are one for a small model", () => {
    expect(model().threads).toBe(1);
  });

  test("are measured for a large one: at least one, at most all cores", async () => {
    const loading = addon().loadModel({
      path: model().path,
      gpuLayers: 0,
      onProgress: () => {},
    });
    const native = await loading.promise;
    const { availableParallelism } = await import("node:os");
    // The probe runs for real; only the size that asks for it is given.
    const threads = await chooseThreads(native, 8e9);
    expect(threads).toBeGreaterThanOrEqual(1);
    expect(threads).toBeLessThanOrEqual(availableParallelism());
    native.close();
  });
});
