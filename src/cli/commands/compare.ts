import { Command } from "commander";
import { writeOutput } from "../write-output.js";

interface CompareFlags {
  paper?: boolean;
  json?: boolean;
  report?: string;
}

export function compareCommand(): Command {
  return new Command("compare")
    .description("Compare the methods of evaluation runs: accuracy, tokens, seconds, paired tests.")
    .argument("<directories...>", "run directories, as eval --out wrote them")
    .option("--paper", "print the ETS paper's accuracies beside, where task and model match")
    .option("--json", "print one JSON object")
    .option("--report <file>", "write the comparison as one HTML page")
    .action(compare);
}

async function compare(directories: string[], flags: CompareFlags): Promise<void> {
  const { compareRuns } = await import("../../evaluate/compare/compare-runs.js");
  const { publishedFor } = await import("../../evaluate/compare/published.js");
  const { formatComparison, formatPaper } = await import("./compare-output.js");
  const compared = await compareRuns(directories);
  const { comparison } = compared;
  const published = flags.paper ? publishedFor(comparison) : undefined;
  if (flags.json) {
    console.log(JSON.stringify({ ...comparison, ...(flags.paper && { published }) }));
  } else {
    console.log(formatComparison(comparison));
    if (published !== undefined) console.log(`\n${formatPaper(comparison, published)}`);
  }
  if (flags.report === undefined) return;
  const { evaluationReport } = await import("../../report/evaluation/evaluation-report.js");
  await writeOutput("report", flags.report, await evaluationReport(compared));
}
