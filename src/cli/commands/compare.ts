import type { Command } from "commander";
import { LlamaEtsError } from "../../engine/errors.js";
import { writeOutput } from "../write-output.js";

interface CompareFlags {
  paper?: boolean;
  curves?: boolean;
  baseline?: string;
  json?: boolean;
  report?: string;
  export?: string;
}

export function compareCommand(command: Command): Command {
  return command
    .argument("<directories...>", "run directories, as eval --out wrote them")
    .option("--paper", "print the ETS paper's accuracies beside, where task and model match")
    .option(
      "--curves",
      "print what more or fewer texts would have given, from those that were kept",
    )
    .option("--json", "print one JSON object")
    .option("--report <file>", "write the comparison as one HTML page")
    .option(
      "--export <file>",
      "write all samples and kept texts as a table: .csv, .jsonl or .parquet",
    )
    .action(compare);
}

type Extension = "csv" | "jsonl" | "parquet";

async function compare(directories: string[], flags: CompareFlags): Promise<void> {
  const { compareRuns } = await import("../../evaluate/compare/compare-runs.js");
  const { publishedFor } = await import("../../evaluate/compare/published.js");
  const { formatComparison, formatCurves, formatPaper } = await import("./compare-output.js");
  const extension = /\.(csv|jsonl|parquet)$/.exec(flags.export ?? "")?.[1] as Extension | undefined;
  if (flags.export !== undefined && extension === undefined) {
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      `Expected --export to end in .csv, .jsonl or .parquet, got ${flags.export}`,
    );
  }
  const compared = await compareRuns(
    directories,
    flags.baseline === undefined ? {} : { baseline: flags.baseline },
  );
  const { comparison } = compared;
  const published = flags.paper ? publishedFor(comparison) : undefined;
  if (flags.json) {
    console.log(JSON.stringify({ ...comparison, ...(flags.paper && { published }) }));
  } else {
    console.log(formatComparison(comparison));
    if (flags.curves) console.log(`\n${formatCurves(comparison.curves)}`);
    if (published !== undefined) console.log(`\n${formatPaper(comparison, published)}`);
  }
  if (flags.export !== undefined && extension !== undefined) {
    const { exportRows, toCsv, toJsonLines, toParquet } = await import(
      "../../evaluate/compare/export-rows.js"
    );
    const rows = exportRows(compared.runs);
    const write = { csv: toCsv, jsonl: toJsonLines, parquet: toParquet }[extension];
    await writeOutput("table", flags.export, await write(rows));
  }
  if (flags.report === undefined) return;
  const { evaluationReport } = await import("../../report/evaluation/evaluation-report.js");
  await writeOutput("report", flags.report, await evaluationReport(compared));
}
