/** The files that `ask` writes, also for an interrupted run: a trace, and a report made from it. */
import type { Step } from "../../methods/step.js";
import type { Plan } from "../../planning/run-plan.js";
import { VERSION } from "../../version.js";
import { exitWith } from "../exit.js";
import { checkOutput, writeOutput } from "../write-output.js";
import { formatInterrupted } from "./ask-output.js";

interface FileFlags {
  trace?: string;
  report?: string;
  json?: boolean;
}

/** Checks before a run that its files can be written. Throws `ERR_WRITE`. */
export async function checkFiles({ trace, report }: FileFlags): Promise<void> {
  if (trace !== undefined) await checkOutput("trace", trace);
  if (report !== undefined) await checkOutput("report", report);
}

/** Writes the trace and the report that the flags ask for. Throws `ERR_WRITE`. */
export async function writeFiles(
  { trace, report }: FileFlags,
  run: object,
  signal: AbortSignal,
): Promise<void> {
  if (trace === undefined && report === undefined) return;
  const { TRACE_FORMAT } = await import("../../report/trace-format.js");
  const content = JSON.stringify({ format: TRACE_FORMAT, ...run });
  if (trace !== undefined) await writeOutput("trace", trace, content, signal);
  if (report === undefined) return;
  const { parseTrace } = await import("../../report/trace.js");
  const { runReport } = await import("../../report/run/run-report.js");
  const page = await runReport(parseTrace(JSON.parse(content), report));
  await writeOutput("report", report, page, signal);
}

/** A run in progress, with its steps so far. */
export interface PartialRun {
  method: string;
  question: string;
  plan?: Plan;
  steps: Step[];
}

/**
 * Keeps the results of an interrupted run: it writes the steps to the trace and prints the best text as a
 * line.
 */
export async function keepPartial(
  { method, question, plan, steps }: PartialRun,
  flags: FileFlags,
  signal: AbortSignal,
): Promise<void> {
  const ran = plan?.method ?? method;
  const partial = {
    method: ran,
    stopReason: "interrupted",
    plan,
    steps,
    question,
    flags: { ...flags, method: ran },
    prompt: { text: question },
    versions: { llamaEts: VERSION, node: process.versions.node },
  };
  if (flags.json) console.log(JSON.stringify(partial));
  const isKept = (await tryFiles(flags, partial, signal)) && flags.trace !== undefined;
  console.error(formatInterrupted(steps, isKept ? flags.trace : undefined));
}

/** Writes the files and prints an error instead of throwing it, so that the run still ends as interrupted. */
async function tryFiles(flags: FileFlags, partial: object, signal: AbortSignal): Promise<boolean> {
  try {
    await writeFiles(flags, partial, signal);
    return true;
  } catch (error) {
    exitWith(error);
    return false;
  }
}
