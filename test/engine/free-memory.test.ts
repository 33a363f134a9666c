/** What a model says of the memory where it lives. */
import { describe, expect, test } from "vitest";
import type { Device } from "../../src/engine/engine.js";
import { Context } from "../../src/engine/local/context.js";
import { freeBytesFor, gpuShare, gpusAmong, placeOf } from "../../src/engine/local/free-memory.js";
import { speedOf } from "../../src/engine/local/kept-speeds.js";
import { loadNative } from "../../src/engine/local/load-native.js";
import { addon } from "../../src/engine/local/native.js";
import { inspectModel } from "../../src/methods/inspect-models.js";
import { plan } from "../../src/methods/plan.js";
import { useModel } from "../fixtures/models.js";

const mapped = useModel();
const diffusion = useModel("mini-gsm-llada");

describe("free memory", () => {
  test("has mapped weights in it where the system counts them as free", () => {
    const { mappedBytes, place } = mapped().freeMemory();
    expect(place).toBe("cpu");
    expect(mappedBytes).toBe(process.platform === "linux" ? mapped().info.sizeBytes : 0);
    expect(mapped().describe().weights).toEqual({
      bytes: mapped().info.sizeBytes,
      isMapped: true,
    });
  });

  test("has none of weights that are read into memory, as for keys and values of diffusion", async () => {
    const load = (cachesDiffusion: boolean) =>
      addon().loadModel({ path: diffusion().path, gpuLayers: 0, cachesDiffusion, onProgress() {} })
        .promise;
    const [copy, own] = [await load(true), await load(false)];
    expect(copy.info().isMapped).toBe(false);
    expect(own.info().isMapped).toBe(true);
    copy.close();
    own.close();
  });

  test("is what a plan without the weights counts with, whose need is that of a loaded model", async () => {
    const { memory } = await inspectModel("mini-gsm-ref", { gpu: false });
    const { peakBytes } = await plan(mapped(), new Int32Array(256).fill(5));
    expect(memory).toMatchObject({ fits: true, plannedBytes: peakBytes });
  });

  test("is never asked of a model without weights: no context can be opened of it", async () => {
    const native = await loadNative(mapped().path, { gpuLayers: 0, withoutWeights: true });
    expect(native.info()).toMatchObject({ sizeBytes: mapped().info.sizeBytes });
    const opening = Context.open(native, { cells: 256, sequences: 2, threads: 1 });
    await expect(opening).rejects.toThrow("The model was read without its weights");
    native.close();
  });

  test("has the contexts kept for the next run apart", async () => {
    const before = mapped().freeMemory().idleBytes;
    const context = await mapped().lease({ cells: 512, sequences: 4 });
    await mapped().release(context);
    expect(mapped().freeMemory().idleBytes).toBeGreaterThan(before);
  });
});

test("a context that can't be in it is refused before anything is allocated", async () => {
  const lease = () => mapped().lease({ cells: 2 ** 30, sequences: 1 });
  await expect(lease()).rejects.toMatchObject({
    code: "ERR_OUT_OF_MEMORY",
    message: expect.stringMatching(/needs \d+ MiB; \d+ MiB are free/),
  });
});

describe("by a machine's devices,", () => {
  const device = (name: string, type: Device["type"], freeBytes = 0): Device => ({
    name,
    type,
    freeBytes,
    description: name,
    totalBytes: 2 * freeBytes,
  });
  const cpu = device("CPU", "cpu", 900);
  const own = device("llama-ets", "accelerator");
  const laptop = [device("Vulkan0", "integrated-gpu", 400), cpu];
  const desktop = [device("CUDA0", "gpu", 100), device("CUDA1", "gpu", 60), cpu];
  const both = [...laptop, ...desktop];
  const place = (devices: Device[], gpuLayers: number) => placeOf(gpuShare(10, gpuLayers, devices));

  test("layers go to its own GPUs, and to an integrated one where there are no others", () => {
    const names = (devices: Device[]) => gpusAmong(devices).map(({ name }) => name);
    expect(names(both)).toEqual(["CUDA0", "CUDA1"]);
    expect(names(laptop)).toEqual(["Vulkan0"]);
    expect(names([cpu, own])).toEqual([]);
  });

  test("contexts live on a GPU if a layer does, and nowhere else than on a CPU without one", () => {
    expect([-1, 11, 2].map((layers) => place(laptop, layers))).toEqual(["gpu", "gpu", "gpu"]);
    // The first of the layers that llama.cpp counts is the output, which keeps nothing.
    expect([0, 1].map((layers) => place(desktop, layers))).toEqual(["cpu", "cpu"]);
    expect(place([cpu, own], -1)).toBe("cpu");
  });

  test("free is what its GPUs have; on a CPU, what the machine has", () => {
    expect(freeBytesFor(1, desktop, 900)).toBe(160);
    expect(freeBytesFor(1, both, 900)).toBe(160);
    expect(freeBytesFor(0, desktop, 900)).toBe(900);
    expect(freeBytesFor(0, [cpu], 900)).toBe(900);
  });

  test("an integrated GPU has no more than the machine", () => {
    expect(freeBytesFor(1, laptop, 900)).toBe(400);
    expect(freeBytesFor(1, laptop, 300)).toBe(300);
    expect(freeBytesFor(0.5, laptop, 700)).toBe(700);
  });

  test("of layers that are divided, each part fits where it lives", () => {
    expect(gpuShare(10, 9, desktop)).toBe(0.8);
    expect(freeBytesFor(0.8, desktop, 900)).toBe(200); // 160 there, 40 here
    expect(freeBytesFor(0.1, desktop, 900)).toBe(1000); // 100 there, 900 here
  });
});

describe("the speed of a model", () => {
  const measured = (file: string, sizeBytes: number, tokensPerSecond: number) => ({
    file,
    device: "CPU",
    sizeBytes,
    tokensPerSecond,
    mtimeMs: 7,
  });
  const speeds = [measured("/a", 1e9, 20), measured("/b", 1e8, 150), measured("/tiny", 1e6, 9000)];

  test("is the measured one of this very file", () => {
    const own = { file: "/a", mtimeMs: 7, sizeBytes: 1e9 };
    expect(speedOf(own, speeds)).toEqual({ tokensPerSecond: 20, isMeasured: true });
    expect(speedOf({ ...own, mtimeMs: 8 }, speeds)?.isMeasured).toBe(false);
  });

  test("is guessed by size from the nearest one that doesn't fit a processor's cache", () => {
    const guess = (sizeBytes: number) => speedOf({ file: null, sizeBytes }, speeds);
    expect(guess(4e9)).toEqual({ tokensPerSecond: 5, isMeasured: false });
    expect(guess(2e8)).toEqual({ tokensPerSecond: 75, isMeasured: false });
    expect(guess(2e6)).toBeUndefined();
    expect(speedOf({ file: null, sizeBytes: 4e9, isSparse: true }, speeds)).toBeUndefined();
    expect(speedOf({ file: null, sizeBytes: 4e9 }, [])).toBeUndefined();
  });
});
