import path from "node:path";
import type { Command } from "commander";
import { LlamaEtsError } from "../../engine/errors.js";
import { makeDirectory } from "../../engine/make-directory.js";
import type { Figure } from "../../report/figures.js";
import { writeOutput } from "../write-output.js";

interface ReportFlags {
  output?: string;
  item?: string;
  items?: boolean;
  figures?: string;
}

export function reportCommand(command: Command): Command {
  return command
    .argument("<sources...>", "a trace file, run directories, or the directory of a sweep")
    .option(
      "-o, --output <file>",
      "the page to write (default: report.html beside the first source)",
    )
    .option(
      "--item <id>",
      "only this item of run directories: every sample, and how its votes stood",
    )
    .option(
      "--items",
      "write a page of each item too, in a folder beside the report that links to it",
    )
    .option("--figures <dir>", "write the figures too, as SVG and PNG files for papers and slides")
    .action(write);
}

async function write(sources: string[], flags: ReportFlags): Promise<void> {
  const { output, item, items = false, figures } = flags;
  if (items && item !== undefined) {
    throw new LlamaEtsError("ERR_INVALID_OPTION", "Expected --item or --items, got both");
  }
  const { isRunDirectory, renderFigures, renderReport, renderWithItems } = await import(
    "../../report/render-report.js"
  );
  const isRun = await isRunDirectory(sources[0] as string);
  const file = output ?? besideSource(sources[0] as string, isRun, item);
  let page: string;
  if (items) {
    const rendered = await renderWithItems(sources, file);
    page = rendered.page;
    await makeDirectory(rendered.folder);
    for await (const { name, page: own } of rendered.items) {
      await writeOutput("item's page", path.join(rendered.folder, name), own);
    }
  } else page = await renderReport(sources, item);
  await writeOutput("report", file, page);
  if (output === undefined) console.error(`In ${file}`);
  if (figures !== undefined) await writeFigures(await renderFigures(sources, page), figures);
}

async function writeFigures(figures: readonly Figure[], directory: string): Promise<void> {
  const { pngRenderer } = await import("../../report/png.js");
  await makeDirectory(directory);
  const files = figures.map(({ name, svg }) => ({ base: path.join(directory, name), svg }));
  for (const { base, svg } of files) await writeOutput("figure", `${base}.svg`, svg);
  const toPng = await pngRenderer();
  for (const { base, svg } of files) await writeOutput("figure", `${base}.png`, toPng(svg));
}

/** Returns the default file of a report, in the run directory or in the directory of the trace. */
function besideSource(source: string, isRun: boolean, item?: string): string {
  const directory = isRun ? source : path.dirname(source);
  const name = item === undefined ? "report" : `item-${item.replace(/[^\w.-]+/g, "_")}`;
  return path.join(directory, `${name}.html`);
}
