import { readdir, stat } from "node:fs/promises";
import { homedir } from "node:os";
import path from "node:path";
import { Command } from "commander";
import pc from "picocolors";
import { bundledModels, DEFAULT_MODEL } from "../../engine/bundled-models.js";

interface ListedModel {
  name: string;
  path: string;
  sizeBytes: number;
  role: string;
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

function formatModel({ name, sizeBytes, role }: ListedModel): string {
  const size = `${(sizeBytes / 2 ** 20).toFixed(1)} MiB`;
  return `  ${name.padEnd(20)} ${size.padStart(10)}   ${pc.dim(role)}`;
}

/** The models that node-llama-cpp's downloader has put into its directory. */
async function downloadedModels(): Promise<ListedModel[]> {
  const directory = path.join(homedir(), ".node-llama-cpp", "models");
  // The directory appears with the first download.
  const names = await readdir(directory).catch(() => []);
  const files = names.filter((name) => name.endsWith(".gguf"));
  return Promise.all(
    files.map(async (name) => {
      const file = path.join(directory, name);
      return { name, path: file, sizeBytes: (await stat(file)).size, role: file };
    }),
  );
}
