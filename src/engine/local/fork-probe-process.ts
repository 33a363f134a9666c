/**
 * Proves a model's forks in a separate process, because llama.cpp may crash it, and sends one
 * `ProbeReport` to its parent. Its arguments are a model's source, and options of `loadModel` as JSON.
 */
import { LlamaEtsError } from "../errors.js";
import type { ForkVerdict } from "./fork-probe.js";
import { loadToProve } from "./load-model.js";
import { architectureOf } from "./model-shape.js";

/** The verdict on a model, or the error that loading or probing it threw. */
export type ProbeReport =
  | {
      architecture: string;
      description: string;
      /** Null if the model's texts are never forked: it is a diffusion model or a classifier. */
      verdict: (ForkVerdict & { notKept?: string }) | null;
    }
  | { code: LlamaEtsError["code"]; message: string };

async function probe(source: string, options: string): Promise<ProbeReport> {
  try {
    await using model = await loadToProve(source, JSON.parse(options));
    const { description, labels } = model.info;
    const forks = model.kind === "autoregressive" && labels.length === 0;
    const verdict = forks ? await model.proveForks() : null;
    return { architecture: architectureOf(model), description, verdict };
  } catch (error) {
    if (!(error instanceof LlamaEtsError)) throw error;
    return { code: error.code, message: error.message };
  }
}

const [source, options] = process.argv.slice(2) as [string, string];
process.send?.(await probe(source, options), () => process.disconnect());
