import { Command } from "commander";

export function reportCommand(): Command {
  return new Command("report")
    .description("Write a trace of ask, or evaluation runs, as one HTML page.")
    .argument("<sources...>", "a trace file, or run directories")
    .requiredOption("-o, --output <file>", "the page to write")
    .action(async (sources: string[], { output }: { output: string }) => {
      const { runReportCommand } = await import("./run-report.js");
      await runReportCommand(sources, output);
    });
}
