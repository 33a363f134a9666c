import { compareRuns } from "../evaluate/compare/compare-runs.js";
import { publishedFor } from "../evaluate/compare/published.js";
import { evaluationReport } from "../report/evaluation/evaluation-report.js";
import { formatComparison, formatPaper } from "./compare-output.js";
import { writeOutput } from "./write-output.js";

export interface CompareFlags {
  paper?: boolean;
  json?: boolean;
  report?: string;
}

export async function runCompare(directories: string[], flags: CompareFlags): Promise<void> {
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
  await writeOutput("report", flags.report, await evaluationReport(compared));
}
