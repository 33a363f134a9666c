import type { Command } from "commander";
import { LlamaEtsError } from "../../engine/errors.js";
import type { Table } from "../../evaluate/compare/export-rows.js";
import { writeOutput } from "../write-output.js";

interface CompareFlags {
  paper?: boolean;
  curves?: boolean;
  baseline?: string;
  json?: boolean;
  report?: string;
  export?: string;
  exportTokens?: string;
}

export function compareCommand(command: Command): Command {
  return command
    .argument("<directories...>", "run directories, as eval --out wrote them")
    .option("--paper", "print the ETS paper's accuracies too, where task and model match")
    .option(
      "--curves",
      "print what more or fewer texts would have given, from those that were kept",
    )
    .option("--baseline <method>", "test the other methods against this one alone, not all pairs")
    .option("--json", "print one JSON object")
    .option("--report <file>", "write the comparison as one HTML page")
    .option(
      "--export <file>",
      "write all samples and kept texts as a table: .csv, .jsonl or .parquet",
    )
    .option("--export-tokens <file>", "write a row for each token that eval --keep kept, likewise")
    .action(compare);
}

const WRITERS = { csv: "toCsv", jsonl: "toJsonLines", parquet: "toParquet" } as const;

async function compare(directories: string[], flags: CompareFlags): Promise<void> {
  const { compareRuns } = await import("../../evaluate/compare/compare-runs.js");
  const { publishedFor } = await import("../../evaluate/compare/published.js");
  const { formatComparison, formatCurves, formatPaper } = await import("./compare-output.js");
  const { export: texts, exportTokens: tokens } = flags;
  const textWriter = texts === undefined ? undefined : writerOf("--export", texts);
  const tokenWriter = tokens === undefined ? undefined : writerOf("--export-tokens", tokens);
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
  await textWriter?.(({ textTable }) => textTable(compared.runs));
  await tokenWriter?.(({ tokenTable }) => tokenTable(compared.runs));
  if (flags.report === undefined) return;
  const { evaluationReport } = await import("../../report/evaluation/evaluation-report.js");
  await writeOutput("report", flags.report, await evaluationReport(compared));
}

type ExportRows = typeof import("../../evaluate/compare/export-rows.js");

/**
 * Returns the writer of a table for the extension of the file. Throws `ERR_INVALID_OPTION` for an unknown
 * one.
 */
function writerOf(flag: string, file: string) {
  const extension = /\.(csv|jsonl|parquet)$/.exec(file)?.[1] as keyof typeof WRITERS | undefined;
  if (extension === undefined) {
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      `Expected ${flag} to end in .csv, .jsonl or .parquet, got ${file}`,
    );
  }
  return async (tableOf: (from: ExportRows) => Table) => {
    const rows = await import("../../evaluate/compare/export-rows.js");
    await writeOutput("table", file, await rows[WRITERS[extension]](tableOf(rows)));
  };
}
