/**
 * `doctor -m MODEL`: checks whether runs of a model fit this machine, how fast it is, and which models could
 * be its proposal.
 */
import { messageOf } from "../../engine/errors.js";
import { deviceFor } from "../../engine/local/free-memory.js";
import { keepSpeed } from "../../engine/local/kept-speeds.js";
import { type LoadModelOptions, loadModel } from "../../engine/local/load-model.js";
import { measureSpeed } from "../../engine/speed.js";
import type { PlaceOptions } from "../../engine/unloaded-model.js";
import { bytes } from "../format.js";
import { printable } from "../printable.js";

/** The number of texts drawn at once with the defaults of `ets`. */
const AT_ONCE = 8;

export async function describeFit(source: string, place: PlaceOptions): Promise<string> {
  const { inspectModel } = await import("../../methods/inspect-models.js");
  const { memory, refusal } = await inspectModel(source, place);
  if (memory === null) return `no run is planned: ${refusal ?? "it judges texts"}`;
  const { fits, plannedBytes, freeBytes, longestText } = memory;
  const planned = `a run with 8 candidates takes ${bytes(plannedBytes)} of ${bytes(freeBytes)} that are free`;
  const longest = `the longest text has ${longestText} tokens`;
  if (!fits) throw new Error(`${planned}, and doesn't fit; ${longest}`);
  return `${planned}; ${longest}`;
}

/** Measures the speed of a model and keeps it for the command `models`. */
export async function describeSpeed(source: string, options: LoadModelOptions): Promise<string> {
  await using model = await loadModel(source, options);
  if (model.kind === "diffusion" || model.info.labels.length > 0) {
    return "not measured: it extends no text";
  }
  const [one, several] = [await measureSpeed(model, 1), await measureSpeed(model, AT_ONCE)];
  const { devices, weights } = model.describe();
  const measured = {
    file: model.path,
    device: deviceFor(options.gpuLayers ?? (options.gpu === false ? 0 : -1), devices),
    sizeBytes: weights.bytes,
    tokensPerSecond: one,
  };
  const notKept = await keepSpeed(measured).then(
    () => "",
    (error: unknown) => `; it couldn't be kept for \`models\` (${messageOf(error)})`,
  );
  return `${shown(one)} tokens/s of one text, ${shown(several)} of ${AT_ONCE} at once${notKept}`;
}

function shown(rate: number): string {
  return rate < 10 ? rate.toFixed(1) : String(Math.round(rate));
}

export async function describeProposals(source: string, place: PlaceOptions): Promise<string> {
  const { suggestProposals } = await import("../../methods/inspect-models.js");
  const [best, ...others] = await suggestProposals(source, place);
  if (best === undefined)
    return "none of its tokenizer, and of half its size or less, is known here";
  const name = printable(best.source);
  const check = `\`llama-ets doctor -m ${quoted(source)} --proposal ${quoted(best.source)}\` says how near it is`;
  if (!best.isHere) return `none is here; ${name} is of its family: ${check}`;
  const more = others.length > 0 ? `, and ${others.length} more` : "";
  return `${name} (${bytes(best.sizeBytes)})${more} has its tokenizer: ${check}`;
}

/** Quotes a name for a shell. */
function quoted(name: string): string {
  const shown = printable(name);
  return /^[\w./:@~+-]+$/.test(shown) ? shown : `'${shown.replaceAll("'", "'\\''")}'`;
}
