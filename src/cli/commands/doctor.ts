import { availableParallelism, freemem, totalmem } from "node:os";
import type { Command } from "commander";
import pc from "picocolors";
import { bundledModels, DEFAULT_MODEL } from "../../engine/bundled-models.js";
import { checkOneOf } from "../../engine/check.js";
import { LlamaEtsError } from "../../engine/errors.js";
import { describeAddon } from "../../engine/local/load-addon.js";
import { loadModel } from "../../engine/local/load-model.js";
import type { GpuChoice } from "../../engine/local/locate-engine.js";
import { addon } from "../../engine/local/native.js";
import { openEngine } from "../../engine/local/open-engine.js";
import {
  ATTENTION_CHOICES,
  type AttentionChoice,
  chooseAttention,
  describeAttention,
} from "../../engine/local/own-attention.js";
import { VERSION } from "../../version.js";
import { gibibytes, rate } from "../format.js";
import { ATTENTION_OPTION, addPlaceOptions, type PlaceFlags, placeOf } from "../model-flags.js";
import { numberOrAuto } from "../numbers.js";
import { describeFit, describeProposals, describeSpeed } from "./doctor-fit.js";
import { examineModel } from "./doctor-model.js";
import { describePair, describeRounding, QUESTION, toLoadOptions } from "./doctor-probabilities.js";
import { type Finding, find } from "./finding.js";

interface DoctorFlags extends PlaceFlags {
  threads: number | "auto";
  attention?: AttentionChoice;
  model?: string;
  proposal?: string;
  prompt?: string[];
  json?: boolean;
}

export function doctorCommand(command: Command): Command {
  return addPlaceOptions(
    command.option(
      "-m, --model <model>",
      "look at a model too: its memory and speed here, whether its texts can be forked, how it rounds",
    ),
  )
    .option(...ATTENTION_OPTION)
    .option("--threads <n>", "CPU threads for the model, or auto", numberOrAuto, "auto")
    .option("--proposal <model>", "with -m: how many of its rollouts for ets-is will count")
    .option(
      "--prompt <text>",
      "a prompt of the kind that the pair will be asked; may be given several times",
      collect,
    )
    .option("--json", "print one JSON object")
    .action(runDoctor);
}

function collect(text: string, others: string[] = []): string[] {
  return [...others, text];
}

async function runDoctor(flags: DoctorFlags): Promise<void> {
  const place = placeOf(flags);
  const { gpu } = place;
  if (flags.attention !== undefined) {
    checkOneOf("--attention", flags.attention, ATTENTION_CHOICES);
  }
  const { model, proposal } = flags;
  if (proposal !== undefined && model === undefined) {
    throw new LlamaEtsError("ERR_INVALID_OPTION", "A pair has both --model and --proposal");
  }
  if (flags.prompt !== undefined && proposal === undefined) {
    throw new LlamaEtsError("ERR_INVALID_OPTION", "--prompt is for a pair: --model and --proposal");
  }
  const findings: Finding[] = [
    await find(
      "llama-ets",
      () => `${VERSION}, Node ${process.versions.node}, ${process.platform}-${process.arch}`,
    ),
    await find(
      "machine",
      () =>
        `${availableParallelism()} cores, ${gibibytes(freemem())} of ${gibibytes(totalmem())} GiB memory free`,
    ),
    await find("addon", () => `for llama.cpp ${addon().engineRelease}, ${describeAddon()}`),
    await find("engine", async () => {
      const { gpu: kind, release, directory } = await openEngine(gpu, flags.engine);
      return `${kind === false ? "CPU" : kind}, llama.cpp ${release}, ${directory}${originOf(flags)}`;
    }),
    await find("devices", describeDevices),
    await find("attention", () =>
      describeAttention(chooseAttention(flags.attention, "--attention")),
    ),
    await find("models", describeModels),
    await find("sandbox", describeSandbox),
    await find("generation", () => generateOnce(flags, gpu)),
  ];
  if (model !== undefined) {
    const options = { ...flags, gpu };
    const examined = await examineModel(model, options);
    findings.push(...examined);
    if (examined[0]?.ok) findings.push(await find("memory", () => describeFit(model, place)));
    // A model that ended the examining process would end this process too.
    if (examined.every(({ ok }) => ok)) {
      findings.push(
        await find("speed", () => describeSpeed(model, toLoadOptions(options))),
        await find("rounding", () => describeRounding(model, options)),
        proposal === undefined
          ? await find("proposal", () => describeProposals(model, place))
          : await find("pair", () => describePair(model, proposal, options)),
      );
    }
  }
  if (flags.json) console.log(JSON.stringify({ ok: findings.every(({ ok }) => ok), findings }));
  else for (const finding of findings) console.log(formatFinding(finding));
  if (findings.some(({ ok }) => !ok)) process.exitCode = 1;
}

/** Returns the flag or variable that chose the engine, if any. */
function originOf({ engine }: DoctorFlags): string {
  if (engine !== undefined) return " (--engine)";
  return process.env.LLAMA_ETS_ENGINE ? " (LLAMA_ETS_ENGINE)" : "";
}

function describeDevices(): string {
  return addon()
    .devices()
    .map(({ name, description, type, freeBytes }) =>
      type === "cpu" || type === "accelerator"
        ? `${name} ${description}`
        : `${name} ${description}, ${gibibytes(freeBytes)} GiB free`,
    )
    .join("; ");
}

function describeModels(): string {
  const names = bundledModels().map(({ name }) => name);
  if (names.length === 0) throw new Error("The bundled models are missing");
  return names.join(", ");
}

/** Runs a program, to show which sandbox would confine generated programs. */
async function describeSandbox(): Promise<string> {
  const { Sandbox } = await import("../../sandbox/sandbox.js");
  await using sandbox = await Sandbox.open({ concurrency: 1 });
  const run = { program: "def f(x): return 2 * x", entryPoint: "f", tests: "assert f(2) == 4" };
  const { result, detail } = await sandbox.check(run);
  if (result !== "pass") throw new Error(`A right program came out as ${result}: ${detail}`);
  return sandbox.isolation.description;
}

async function generateOnce({ engine, attention }: DoctorFlags, gpu: GpuChoice): Promise<string> {
  const { majority } = await import("../../methods/majority.js");
  const model = await loadModel(DEFAULT_MODEL, {
    gpu,
    ...(engine !== undefined && { engine }),
    ...(attention !== undefined && { attention }),
  });
  try {
    const { answer, usage } = await majority(model, QUESTION, { maxTokens: 80 });
    const place = model.describe().place.toUpperCase();
    return `${usage.generated} tokens, ${rate(usage)} with ${DEFAULT_MODEL} on the ${place}; answer ${answer}`;
  } finally {
    await model.dispose();
  }
}

function formatFinding({ check, ok, detail }: Finding): string {
  return `${ok ? pc.green("ok  ") : pc.red("FAIL")} ${check.padEnd(11)} ${detail}`;
}
