import { readdir, stat } from "node:fs/promises";
import path from "node:path";
import { Command } from "commander";
import pc from "picocolors";
import { bundledModels, DEFAULT_MODEL } from "../../engine/bundled-models.js";
import { modelsDirectory } from "../../engine/download/download-model.js";
import { messageOf } from "../../engine/errors.js";
import { endsInHeader, otherThanGguf, readHead } from "../../engine/file-kind.js";
import { printable } from "../printable.js";

interface ListedModel {
  name: string;
  path: string;
  sizeBytes: number;
  role: string;
  /** What is wrong with the file. */
  broken?: string;
}

export function modelsCommand(): Command {
  return new Command("models")
    .description("List the bundled models and those downloaded before.")
    .option("--json", "print one JSON object")
    .action(listModels);
}

async function listModels(flags: { json?: boolean }): Promise<void> {
  const bundled = await Promise.all(
    bundledModels().map(async (model) => ({ ...model, sizeBytes: (await stat(model.path)).size })),
  );
  const downloaded = await downloadedModels();
  if (flags.json) {
    console.log(JSON.stringify({ default: DEFAULT_MODEL, bundled, downloaded }));
    return;
  }
  console.log(pc.bold("Bundled"));
  for (const model of bundled) console.log(formatModel(model));
  console.log(pc.bold("Downloaded"));
  for (const model of downloaded) console.log(formatModel(model));
  if (downloaded.length === 0) {
    console.log('  none; try: llama-ets ask -m hf:Qwen/Qwen3-0.6B-GGUF:Q8_0 "…"');
  }
}

function formatModel({ name, sizeBytes, role, broken }: ListedModel): string {
  const isSmall = sizeBytes < 2 ** 20 / 10;
  const size = isSmall ? `${sizeBytes} B` : `${(sizeBytes / 2 ** 20).toFixed(1)} MiB`;
  const what =
    broken === undefined
      ? pc.dim(printable(role))
      : pc.red(printable(`broken: ${broken}; ${role}`));
  return `  ${printable(name).padEnd(20)} ${size.padStart(10)}   ${what}`;
}

/** The models in the directory of downloads. */
async function downloadedModels(): Promise<ListedModel[]> {
  const directory = modelsDirectory();
  // The directory appears with the first download.
  const names = await readdir(directory).catch(() => []);
  const files = names.filter((name) => name.endsWith(".gguf"));
  return Promise.all(files.map((name) => describeDownload(name, path.join(directory, name))));
}

async function describeDownload(name: string, file: string): Promise<ListedModel> {
  const listed = { name, path: file, role: file };
  try {
    const { size: sizeBytes } = await stat(file);
    const other = otherThanGguf(await readHead(file));
    const broken = other === undefined ? cutOff(sizeBytes) : `${other.what}, not GGUF`;
    return { ...listed, sizeBytes, ...(broken !== undefined && { broken }) };
  } catch (error) {
    return { ...listed, sizeBytes: 0, broken: `it could not be read: ${messageOf(error)}` };
  }
}

function cutOff(sizeBytes: number): string | undefined {
  return endsInHeader(sizeBytes) ? "it is cut off" : undefined;
}
