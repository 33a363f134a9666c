/** `doctor -m MODEL`: describes a model, and checks whether its texts can be forked. */
import { fork } from "node:child_process";
import { LlamaEtsError } from "../../engine/errors.js";
import type { ProbeReport } from "../../engine/local/fork-probe-process.js";
import type { LoadModelOptions } from "../../engine/local/load-model.js";
import { printable } from "../printable.js";
import { type Finding, find } from "./finding.js";

/** The time limit of the examination, since a model of many billion parameters takes minutes on a CPU. */
const LIMIT_MS = 20 * 60_000;

type Passed = "gpu" | "engine" | "attention" | "gpuLayers" | "threads";
type Options = { [Name in Passed]?: LoadModelOptions[Name] | undefined };

/** Examines a model in a separate process, because llama.cpp ends the process on unexpected files. */
export async function examineModel(source: string, options: Options): Promise<Finding[]> {
  const { gpu, engine, attention, gpuLayers, threads } = options;
  const report = reportOn(source, { gpu, engine, attention, gpuLayers, threads });
  const model = await find("model", async () => describe(await report));
  if (!model.ok) return [model];
  return [model, await find("forks", async () => tellOfForks(await report))];
}

type Examined = Exclude<ProbeReport, { code: unknown }>;

function describe({ architecture, description }: Examined): string {
  return printable(`${description} (architecture ${architecture})`);
}

function tellOfForks({ architecture, verdict }: Examined): string {
  if (verdict === null) return "none are made: it fills in masks, or judges texts";
  const { outcome, reason, notKept } = verdict;
  if (outcome === "undecided") return `not proven: ${reason}`;
  if (outcome === "failed") {
    throw new Error(`don't rely on this model here: ${reason}`);
  }
  if (notKept === undefined) return `proven: ${reason}`;
  return `proven, but the proof couldn't be kept (${notKept}): ${printable(architecture)}: ${reason}`;
}

/** Rejects as `loadModel` does, or with the last message of llama.cpp if it ended the process. */
async function reportOn(source: string, options: Options): Promise<Examined> {
  const script = new URL("../../engine/local/fork-probe-process.js", import.meta.url);
  const child = fork(script, [source, JSON.stringify(options)], {
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    timeout: LIMIT_MS,
  });
  let said = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-2000);
  });
  const report = await new Promise<ProbeReport | null>((resolve, reject) => {
    let sent: ProbeReport | null = null;
    child.on("message", (message) => {
      sent = message as ProbeReport;
    });
    child.on("error", reject);
    child.on("close", () => resolve(sent));
  });
  if (report === null) {
    const last = printable(said.trim().split("\n").at(-1) ?? "");
    const { signalCode, exitCode } = child;
    throw new LlamaEtsError(
      "ERR_UNSUPPORTED_MODEL",
      `${printable(source)} ended the process that tried it (${signalCode ?? `code ${exitCode}`}): ${last}`,
      { fix: "another file of this model, or another model" },
    );
  }
  if ("code" in report) throw new LlamaEtsError(report.code, report.message);
  return report;
}
