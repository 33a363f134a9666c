/** `eval --config`: a sweep over tasks, models and settings. */
import path from "node:path";
import { LlamaEtsError, whyUnreadable } from "../../engine/errors.js";
import { given } from "../../engine/given.js";
import { readTextFile } from "../../engine/read-file.js";
import type { EvaluateOptions } from "../../evaluate/evaluate-options.js";
import { loadNamedModel, type ModelFlags } from "../model-flags.js";
import { writeOutput } from "../write-output.js";

interface SweepFlags extends ModelFlags {
  out?: string;
  resume?: boolean;
  queue?: string;
  allowCodeExecution?: boolean;
  keep?: EvaluateOptions["keep"];
  maxFailures?: number;
  watch?: boolean;
  json?: boolean;
}

export async function runSweepCommand(
  file: string,
  task: string | undefined,
  flags: SweepFlags,
  isModelGiven: boolean,
): Promise<void> {
  const { parseSweep } = await import("../../evaluate/sweep/sweep-config.js");
  const { runSweep } = await import("../../evaluate/sweep/run-sweep.js");
  const { SWEEP_FILE } = await import("../../evaluate/sweep/read-sweep.js");
  const { withProgress } = await import("./drawing.js");
  if (task !== undefined) {
    throw new LlamaEtsError("ERR_INVALID_OPTION", `Expected a task or --config, got both`, {
      fix: "`tasks` in the file",
    });
  }
  const config = await parseSweep(await readConfig(file), file);
  const out = flags.out ?? config.out;
  if (out === undefined) {
    throw new LlamaEtsError("ERR_INVALID_OPTION", "Expected `out` in the file, or --out, got none");
  }
  if (config.models !== undefined && isModelGiven) {
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      "Expected --model or `models` in the file, got both",
      {
        fix: "one of the two",
      },
    );
  }
  const models = config.models ?? [flags.model];
  const { resume, queue, allowCodeExecution, keep, maxFailures } = flags;
  const sayKept = () => `Interrupted; --resume goes on in ${out}`;
  const { results, failed } = await withProgress(flags, sayKept, async (shown) => {
    const results = await runSweep(
      { ...config, models },
      {
        ...shown,
        out,
        ...given({ resume, queue, allowCodeExecution, keep, maxFailures }),
        openModel: (model) => loadNamedModel({ ...flags, model }, shown.signal),
        onRun: ({ task: name, model, seed }) => shown.onWarning(`${name}, ${model}, seed ${seed}`),
      },
    );
    return { results, failed: results.reduce((sum, result) => sum + result.failed, 0) };
  });
  await writeOutput("sweep", path.join(out, SWEEP_FILE), `${JSON.stringify(results, null, 2)}\n`);
  const { sweepReport } = await import("../../report/sweep/sweep-report.js");
  await writeOutput("report", path.join(out, "sweep.html"), await sweepReport(results));
  const { formatSweep } = await import("./sweep-output.js");
  console.log(flags.json ? JSON.stringify(results) : formatSweep(results));
  if (results.at(-1)?.endedEarly) console.error("Ended early; --resume goes on");
  if (failed > 0) console.error(`${failed} failed and are in no row; --resume tries them again`);
  if (!flags.json)
    console.log(`In ${out}: sweep.html, sweep.json, and run directories for compare.`);
}

async function readConfig(file: string): Promise<string> {
  try {
    return await readTextFile(file);
  } catch (error) {
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      `--config: ${file} could not be read: ${whyUnreadable(error)}`,
      {
        fix: "the path of a sweep's YAML file (docs/evaluation.md)",
        cause: error,
      },
    );
  }
}
