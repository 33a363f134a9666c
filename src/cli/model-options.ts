/** The options by which commands name a model, for a command's help. */
import type { Command } from "commander";
import { DEFAULT_MODEL } from "../engine/bundled-models.js";
import type { AttentionChoice } from "../engine/local/own-attention.js";
import { numberOption, numberOrAuto } from "./numbers.js";

export interface ModelFlags {
  model: string;
  gpu: string;
  engine?: string;
  attention?: AttentionChoice;
  gpuLayers?: number;
  threads: number | "auto";
}

/** Which libraries of llama.cpp to run on. */
export const ENGINE_OPTION = [
  "--engine <dir>",
  "engine of your own, from `npm run build:engine` (default: $LLAMA_ETS_ENGINE)",
] as const;

/** Who computes attention on a CPU. */
export const ATTENTION_OPTION = [
  "--attention <kind>",
  "who computes attention on a CPU: auto, engine or own (default: $LLAMA_ETS_ATTENTION, or auto)",
] as const;

export function addModelOptions(command: Command): Command {
  return command
    .option(
      "-m, --model <model>",
      "GGUF file, hf:user/repo:Q4_K_M, or a bundled name",
      DEFAULT_MODEL,
    )
    .option("--gpu <kind>", "auto, cuda, vulkan, metal or off", "auto")
    .option(...ENGINE_OPTION)
    .option(...ATTENTION_OPTION)
    .option("--gpu-layers <n>", "layers kept on the GPU (default: all)", numberOption)
    .option("--threads <n>", "CPU threads, or auto", numberOrAuto, "auto");
}
