import { Command } from "commander";
import { writeOutput } from "../write-output.js";

export function reportCommand(): Command {
  return new Command("report")
    .description("Write a trace of ask, or evaluation runs, as one HTML page.")
    .argument("<sources...>", "a trace file, or run directories")
    .requiredOption("-o, --output <file>", "the page to write")
    .action(async (sources: string[], { output }: { output: string }) => {
      const { renderReport } = await import("../../report/render-report.js");
      await writeOutput("report", output, await renderReport(sources));
    });
}
