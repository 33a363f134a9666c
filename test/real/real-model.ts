/**
 * A real pretrained model: the one that `LLAMA_ETS_REAL_MODEL` names, a path or an `hf:` address, or
 * the one beside the repository.
 */
import { existsSync } from "node:fs";
import { afterAll, beforeAll } from "vitest";
import type { LocalModel } from "../../src/engine/local/model.js";
import { loadLocal } from "../fixtures/models.js";
import { shared } from "../fixtures/shared.js";

const BESIDE = shared("models", "SmolLM2-135M-Instruct.Q4_1.gguf");

/** Undefined where there is none. */
export const realModel =
  process.env.LLAMA_ETS_REAL_MODEL || (existsSync(BESIDE) ? BESIDE : undefined);
export const hasRealModel = realModel !== undefined;

/** Loaded on one CPU thread before the file's tests, and disposed after them. */
export function useRealModel(): () => LocalModel {
  let model: LocalModel | undefined;
  beforeAll(async () => {
    if (realModel !== undefined) model = await loadLocal(realModel, { gpu: false, threads: 1 });
  });
  afterAll(() => model?.dispose());
  return () => model as LocalModel;
}

export const STORY = "Write a short story about a cat, a river and an old lamp.";

/** How many of the story's words a text has, from 0 to 1: a reward that needs no votes. */
export function wordsUsed({ text }: { text: string }): number {
  const words = ["cat", "river", "old", "lamp", "night"];
  return words.filter((word) => text.toLowerCase().includes(word)).length / words.length;
}
