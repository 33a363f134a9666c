/** What a model says of the memory where it lives. */
import { describe, expect, test } from "vitest";
import { addon } from "../../src/engine/local/native.js";
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

  test("has the contexts kept for the next run apart", async () => {
    const before = mapped().freeMemory().idleBytes;
    const context = await mapped().lease({ cells: 512, sequences: 4 });
    await mapped().release(context);
    expect(mapped().freeMemory().idleBytes).toBeGreaterThan(before);
  });
});
