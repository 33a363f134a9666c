import { renderReport } from "../report/render-report.js";
import { writeOutput } from "./write-output.js";

export async function runReportCommand(sources: string[], output: string): Promise<void> {
  await writeOutput("report", output, await renderReport(sources));
}
