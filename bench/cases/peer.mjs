import { runChild } from "../lib/child.mjs";
import { randomModel } from "../lib/random-model.mjs";
import { fixed } from "../lib/table.mjs";
import { threadCount, threadsFor } from "../lib/threads.mjs";

/**
 * The same M·K completions of one prompt through llama-ets and through node-llama-cpp's public API: wall time
 * including the creation of the context, and peak memory. Each runs in its own process on the prebuilt
 * libraries of node-llama-cpp.
 */
export async function peer({ quick, threads, gpu, scale }) {
  const file = await randomModel(quick ? "qwen3-tiny" : "qwen3-0.6b");
  const settings = {
    file,
    gpu,
    threads: await threadsFor(file, threads, gpu),
    count: quick ? 4 : 32,
    promptTokens: quick ? 32 : Math.round(512 * scale),
    length: quick ? 8 : Math.round(256 * scale),
  };
  const env = { LLAMA_ETS_ENGINE: "" };
  const ours = await runChild("complete-ours.mjs", settings, env);
  const theirs = await runChild("complete-peer.mjs", settings, env);
  const row = (name, r) => [
    ...[name, r.prefilled, r.tokens, fixed(r.ms / 1000, 1), fixed(r.peakMiB, 0)],
  ];
  return {
    title: "Peer: M·K completions through node-llama-cpp's API",
    ratio: theirs.ms / ours.ms,
    ours: ours.ms / 1000,
    theirs: theirs.ms / 1000,
    unit: "seconds",
    memoryRatio: theirs.peakMiB / ours.peakMiB,
    note: `M·K = ${settings.count} completions of ${settings.length} tokens from one prompt of ${settings.promptTokens}, ${threadCount(settings.threads)}. node-llama-cpp has one sequence for each, in parallel; its public API shares no prompt between them. It draws with llama.cpp's sampler chain, without log-probabilities.`,
    columns: ["", "prefilled", "drawn", "seconds", "peak MiB"],
    rows: [
      row("llama-ets", ours),
      row("node-llama-cpp", theirs),
      ["ratio", "", "", fixed(theirs.ms / ours.ms, 2), fixed(theirs.peakMiB / ours.peakMiB, 2)],
    ],
    details: { settings: { ...settings, file: undefined }, ours, theirs },
  };
}
