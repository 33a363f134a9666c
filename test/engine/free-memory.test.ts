/** What a model says of the memory where it lives. */
import { describe, expect, test } from "vitest";
import { useModel } from "../fixtures/models.js";

const mapped = useModel();
const readWhole = useModel("mini-gsm-llada");

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

  test("has none of weights that were read into memory, as a diffusion model's are", () => {
    expect(readWhole().freeMemory().mappedBytes).toBe(0);
    expect(readWhole().describe().weights.isMapped).toBe(false);
  });

  test("has the contexts kept for the next run apart", async () => {
    const before = mapped().freeMemory().idleBytes;
    const context = await mapped().lease({ cells: 512, sequences: 4 });
    await mapped().release(context);
    expect(mapped().freeMemory().idleBytes).toBeGreaterThan(before);
  });
});
