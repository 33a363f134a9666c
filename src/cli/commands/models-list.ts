/** `models`: lists the local models, those that this machine can run, and names that can be downloaded. */
import { stat } from "node:fs/promises";
import { freemem, totalmem } from "node:os";
import pc from "picocolors";
import { bundledModels, DEFAULT_MODEL } from "../../engine/bundled-models.js";
import { keptModels } from "../../engine/download/kept-models.js";
import { messageOf } from "../../engine/errors.js";
import type { Speed } from "../../engine/unloaded-model.js";
import type {
  InspectedModel,
  ListedModels,
  SuggestedProposal,
} from "../../methods/inspect-models.js";
import { bytes, gibibytes } from "../format.js";
import { type PlaceFlags, placeOf } from "../model-flags.js";
import { printable } from "../printable.js";

export interface Flags extends PlaceFlags {
  json?: boolean;
}

export async function listModels(flags: Flags): Promise<void> {
  const place = placeOf(flags);
  const { listModels: list } = await import("../../methods/inspect-models.js");
  let listed: ListedModels;
  let unknown: string | undefined;
  try {
    listed = await list(place);
  } catch (error) {
    // Without an engine the files can still be listed.
    unknown = messageOf(error);
    listed = await listFiles();
  }
  const bundled = await Promise.all(
    listed.bundled.map(async (model) => ({ ...model, sizeBytes: (await stat(model.path)).size })),
  );
  const { downloaded, popular } = listed;
  if (flags.json) {
    const machine = { freeBytes: freemem(), totalBytes: totalmem() };
    console.log(
      JSON.stringify({
        default: DEFAULT_MODEL,
        machine,
        bundled,
        downloaded,
        popular,
        ...(unknown !== undefined && { unknown }),
      }),
    );
    return;
  }
  printHeading("Bundled");
  for (const model of bundled) console.log(rowOf(model, model.role));
  printHeading("Downloaded");
  for (const model of downloaded) console.log(rowOf(model, placeOfFile(model)));
  if (downloaded.length === 0) {
    console.log('  none; try: llama-ets ask -m hf:Qwen/Qwen3-0.6B-GGUF:Q8_0 "…"');
  }
  if (popular.length > 0) printHeading("To download, by -m");
  for (const model of popular) {
    const { source, sizeBytes } = model;
    console.log(rowOf({ name: source, sizeBytes, inspected: model, proposals: [] }, ""));
  }
  if (unknown === undefined) console.log(`\n${footnotes()}`);
  else console.log(pc.yellow(`\nwhat this machine can run is unknown: ${printable(unknown)}`));
}

async function listFiles(): Promise<ListedModels> {
  const alone = { inspected: null, proposals: [] };
  return {
    bundled: bundledModels().map((model) => ({ ...model, ...alone })),
    downloaded: (await keptModels()).map((model) => ({ ...model, ...alone })),
    popular: [],
  };
}

interface Row {
  name: string;
  sizeBytes: number;
  inspected: InspectedModel | null;
  broken?: string;
  problem?: string;
  proposals: readonly SuggestedProposal[];
}

const WIDTHS = { name: 50, size: 10, memory: 10, text: 8, speed: 9 };

function printHeading(name: string): void {
  const { size, memory, text, speed } = WIDTHS;
  console.log(
    [
      `${pc.bold(name)}${" ".repeat(WIDTHS.name + 2 - name.length)}`,
      pc.dim("size".padStart(size)),
      pc.dim("run takes".padStart(memory)),
      pc.dim("text to".padStart(text)),
      pc.dim("tokens/s".padStart(speed)),
    ].join(" "),
  );
}

function rowOf(
  { name, sizeBytes, inspected, broken, problem, proposals }: Row,
  note: string,
): string {
  const start = `  ${printable(name).padEnd(WIDTHS.name)} ${fileSize(sizeBytes).padStart(WIDTHS.size)}`;
  if (broken !== undefined) return `${start}   ${pc.red(printable(`broken: ${broken}; ${note}`))}`;
  if (problem !== undefined) return `${start}   ${pc.red(printable(problem))}`;
  const refusal = inspected?.refusal;
  if (refusal !== undefined) return `${start}   ${pc.red(printable(refusal))}`;
  const memory = inspected?.memory;
  const columns = [
    memory ? bytes(memory.plannedBytes).padStart(WIDTHS.memory) : "–".padStart(WIDTHS.memory),
    (memory ? String(memory.longestText) : "–").padStart(WIDTHS.text),
    speedOf(inspected?.speed).padStart(WIDTHS.speed),
  ];
  const isTooLarge = memory?.fits === false;
  const tooLarge = isTooLarge ? `doesn't fit: ${bytes(memory.freeBytes)} are free` : "";
  const [best] = proposals;
  const proposal = best ? `proposal for ets-is: ${lastPart(best.source)}` : "";
  const notes = [tooLarge, note, proposal].filter((text) => text !== "").join("; ");
  const shown = isTooLarge ? pc.yellow(printable(notes)) : pc.dim(printable(notes));
  return `${start} ${columns.join(" ")}   ${shown}`.trimEnd();
}

function lastPart(file: string): string {
  return file.split(/[/\\]/).at(-1) ?? file;
}

function placeOfFile({ path, parts }: { path: string; parts: number }): string {
  return parts > 1 ? `${parts} parts; ${path}` : path;
}

/** Formats a speed. A `~` marks an estimate from another model's speed. */
function speedOf(speed: Speed | null | undefined): string {
  if (!speed) return "–";
  const { tokensPerSecond: rate, isMeasured } = speed;
  return `${isMeasured ? "" : "~"}${rate < 10 ? rate.toFixed(1) : Math.round(rate)}`;
}

function fileSize(count: number): string {
  return count < 2 ** 20 / 10 ? `${count} B` : bytes(count);
}

function footnotes(): string {
  return pc.dim(
    [
      `${gibibytes(freemem())} of ${gibibytes(totalmem())} GiB of memory are free. A run is ets with 8 candidates after 512 tokens of prompt;`,
      "a text is prompt and answer, in tokens. Speeds are of one text: `llama-ets doctor -m MODEL` measures",
      "one, and others are guessed from it (~).",
    ].join("\n"),
  );
}
