/** The files that `ask` writes: the trace, and the report drawn from it. */
import { TRACE_FORMAT } from "../report/trace-format.js";
import type { AskFlags } from "./ask-flags.js";
import { writeOutput } from "./write-output.js";

/** Writes those of a run's files that were asked for. Throws `ERR_WRITE`. */
export async function writeAskFiles(
  { trace, report }: Pick<AskFlags, "trace" | "report">,
  run: object,
): Promise<void> {
  if (trace === undefined && report === undefined) return;
  const content = JSON.stringify({ format: TRACE_FORMAT, ...run });
  if (trace !== undefined) await writeOutput("trace", trace, content);
  if (report === undefined) return;
  const { parseTrace } = await import("../report/trace.js");
  const { runReport } = await import("../report/run/run-report.js");
  await writeOutput("report", report, await runReport(parseTrace(JSON.parse(content), report)));
}
