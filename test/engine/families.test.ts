/**
 * Small models of the families that people run: their forks are proven, every method runs on them, and
 * tokens are drawn with the log-probabilities that scoring gives. `npm run test:study -- families` asks
 * this of every architecture, and writes docs/families.md.
 */
import { describe, expect, test } from "vitest";
import { probeForks } from "../../src/engine/local/fork-probe.js";
import { METHOD_NAMES, METHODS, optionsFor } from "../../src/methods/registry.js";
import { encodeGguf } from "../fixtures/gguf-writer.js";
import { loadLocal } from "../fixtures/models.js";
import { temporaryFile } from "../fixtures/temporary-directory.js";
import { TINY_MODELS } from "../fixtures/tiny-families.js";
import { walkFamily } from "../fixtures/walk-family.mjs";

/** Attention of our own steps aside for sinks; llama.cpp's rounds keys and values in another order. */
const MOST = (name: string) => (name === "tinyGptOss" ? 0.02 : 1e-3);

describe.each(Object.entries(TINY_MODELS))("%s", (name, make) => {
  test("forks well, runs every method, and draws as it scores", async () => {
    const file = temporaryFile(`${name}.gguf`, encodeGguf(make()));
    await using model = await loadLocal(file, { gpu: false, threads: 1 });
    expect(await probeForks(model)).toMatchObject({ outcome: "passed" });
    const { ran, refused, alone } = await walkFamily({ METHODS, optionsFor }, model);
    expect({ ran, refused }).toEqual({ ran: METHOD_NAMES, refused: {} });
    expect(alone).toBeLessThan(MOST(name));
  });
});
