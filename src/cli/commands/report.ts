import type { Command } from "commander";
import { writeOutput } from "../write-output.js";

export function reportCommand(command: Command): Command {
  return command
    .argument("<sources...>", "a trace file, or run directories")
    .requiredOption("-o, --output <file>", "the page to write")
    .action(async (sources: string[], { output }: { output: string }) => {
      const { renderReport } = await import("../../report/render-report.js");
      await writeOutput("report", output, await renderReport(sources));
    });
}
