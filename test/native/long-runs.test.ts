/**
 * Long runs of one character in a prompt: the tokenizers of most new vocabularies recurse for each
 * character of a run, and overflowed the stack from 2,558 spaces or 24,378 letters on.
 */
import { describe, expect, test } from "vitest";
import { encodeGguf, readGguf, text } from "../fixtures/gguf-writer.js";
import { loadLocal } from "../fixtures/models.js";
import { temporaryFile } from "../fixtures/temporary-directory.js";

const LENGTH = 30_000;

describe("a long run of one character becomes tokens", () => {
  test.each(["tekken", "qwen2"])("of %s", async (pre) => {
    const gguf = readGguf("models/mini-gsm-proposal.gguf");
    gguf.metadata.set("tokenizer.ggml.pre", text(pre));
    await using model = await loadLocal(temporaryFile(`${pre}.gguf`, encodeGguf(gguf)), {
      gpu: false,
    });
    for (const character of ["a", " ", "!", "字"]) {
      const run = character.repeat(LENGTH);
      expect(model.detokenize(model.tokenize(run))).toBe(run);
    }
    // Runs of any length have a limit, texts have none.
    const refused = { code: "ERR_INVALID_ARGUMENT" };
    expect(() => model.tokenize("a".repeat(2 ** 18 + 1))).toThrow(expect.objectContaining(refused));
    const long = "two words ".repeat(2 ** 15);
    expect(model.detokenize(model.tokenize(long))).toBe(long);
  });
});
