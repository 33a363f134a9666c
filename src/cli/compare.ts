import { Command } from "commander";
import type { CompareFlags } from "./run-compare.js";

export function compareCommand(): Command {
  return new Command("compare")
    .description("Compare the methods of evaluation runs: accuracy, tokens, seconds, paired tests.")
    .argument("<directories...>", "run directories, as eval --out wrote them")
    .option("--paper", "print the ETS paper's accuracies beside, where task and model match")
    .option("--json", "print one JSON object")
    .option("--report <file>", "write the comparison as one HTML page")
    .action(async (directories: string[], flags: CompareFlags) => {
      const { runCompare } = await import("./run-compare.js");
      await runCompare(directories, flags);
    });
}
