import { Command } from "commander";

export function modelsCommand(): Command {
  return new Command("models")
    .description("List the bundled models and those downloaded before.")
    .option("--json", "print one JSON object")
    .action(async (flags: { json?: boolean }) => {
      const { listModels } = await import("./run-models.js");
      await listModels(flags);
    });
}
