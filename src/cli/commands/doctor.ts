import { availableParallelism, freemem, totalmem } from "node:os";
import { Command } from "commander";
import pc from "picocolors";
import { bundledModels, DEFAULT_MODEL } from "../../engine/bundled-models.js";
import { checkOneOf } from "../../engine/check.js";
import { LlamaEtsError, messageOf } from "../../engine/errors.js";
import { loadModel, openEngine } from "../../engine/local/load-model.js";
import type { GpuChoice } from "../../engine/local/locate-engine.js";
import { addon } from "../../engine/local/native.js";
import {
  ATTENTION_CHOICES,
  type AttentionChoice,
  chooseAttention,
  describeAttention,
} from "../../engine/local/own-attention.js";
import { percent } from "../../report/format.js";
import { VERSION } from "../../version.js";
import { gibibytes, rate } from "../format.js";
import { ATTENTION_OPTION, ENGINE_OPTION } from "../model-flags.js";

type Finding = { check: string; ok: boolean; detail: string };

/** What the bundled models are asked, and other pairs besides where no prompt is given. */
const QUESTION = "Sam has 12 apples and eats 5. How many apples are left?";
const STORY = "Write a short story about a lantern.";
/** The rollouts that a pair is judged by, in tokens. */
const PAIR_ROLLOUT = 64;

interface DoctorFlags {
  gpu: string;
  attention?: AttentionChoice;
  engine?: string;
  model?: string;
  proposal?: string;
  prompt?: string[];
  json?: boolean;
}

export function doctorCommand(): Command {
  return new Command("doctor")
    .description(
      "Check the installation: addon, engine, devices, sandbox, and one real generation.",
    )
    .option("--gpu <kind>", "auto, cuda, vulkan, metal or off", "auto")
    .option(...ENGINE_OPTION)
    .option(...ATTENTION_OPTION)
    .option("-m, --model <model>", "with --proposal: the reference of a pair for ets-is")
    .option("--proposal <model>", "says how many of its rollouts will count, by a few texts")
    .option(
      "--prompt <text>",
      "of the kind that the pair will be asked; may be given several times",
      collect,
    )
    .option("--json", "print one JSON object")
    .action(runDoctor);
}

function collect(text: string, others: string[] = []): string[] {
  return [...others, text];
}

async function runDoctor(flags: DoctorFlags): Promise<void> {
  const kind = checkOneOf("--gpu", flags.gpu, ["auto", "cuda", "vulkan", "metal", "off", "false"]);
  const gpu: GpuChoice = kind === "off" || kind === "false" ? false : kind;
  if (flags.attention !== undefined) {
    checkOneOf("--attention", flags.attention, ATTENTION_CHOICES);
  }
  const { model, proposal } = flags;
  if ((model === undefined) !== (proposal === undefined)) {
    throw new LlamaEtsError("ERR_INVALID_OPTION", "A pair has both --model and --proposal");
  }
  if (flags.prompt !== undefined && model === undefined) {
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
    await find("addon", () => `built for llama.cpp ${addon().engineRelease}`),
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
    await find("generation", () => generateOnce(flags)),
  ];
  if (model !== undefined && proposal !== undefined) {
    findings.push(await find("pair", () => describePair(flags, model, proposal)));
  }
  if (flags.json) console.log(JSON.stringify({ ok: findings.every(({ ok }) => ok), findings }));
  else for (const finding of findings) console.log(formatFinding(finding));
  if (findings.some(({ ok }) => !ok)) process.exitCode = 1;
}

async function find(check: string, look: () => string | Promise<string>): Promise<Finding> {
  try {
    return { check, ok: true, detail: await look() };
  } catch (error) {
    const code = error instanceof LlamaEtsError ? ` (${error.code})` : "";
    return { check, ok: false, detail: `${messageOf(error)}${code}` };
  }
}

/** Who chose the engine, if anyone did. */
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

/** Runs a program to show what would confine generated ones. */
async function describeSandbox(): Promise<string> {
  const { Sandbox } = await import("../../sandbox/sandbox.js");
  await using sandbox = await Sandbox.open({ concurrency: 1 });
  const run = { program: "def f(x): return 2 * x", entryPoint: "f", tests: "assert f(2) == 4" };
  const { result, detail } = await sandbox.check(run);
  if (result !== "pass") throw new Error(`A right program came out as ${result}: ${detail}`);
  return sandbox.isolation.description;
}

async function generateOnce({ engine, attention }: DoctorFlags): Promise<string> {
  const { majority } = await import("../../methods/majority.js");
  const model = await loadModel(DEFAULT_MODEL, {
    ...(engine !== undefined && { engine }),
    ...(attention !== undefined && { attention }),
  });
  try {
    const { answer, usage } = await majority(model, QUESTION, { maxTokens: 80 });
    return `${usage.generated} tokens, ${rate(usage)} with ${DEFAULT_MODEL}; answer ${answer}`;
  } finally {
    await model.dispose();
  }
}

/** How near a proposal is, on texts of the prompts' kind. */
async function describePair(
  { engine, attention, prompt }: DoctorFlags,
  reference: string,
  proposed: string,
): Promise<string> {
  const { checkProposal } = await import("../../methods/check-proposal.js");
  const { forecast } = await import("../../planning/pair.js");
  const options = {
    ...(engine !== undefined && { engine }),
    ...(attention !== undefined && { attention }),
  };
  await using model = await loadModel(reference, options);
  await using proposal = await loadModel(proposed, options);
  const asked = isBundled(reference) ? [QUESTION] : [QUESTION, STORY];
  const pair = await checkProposal(model, proposal, prompt ?? asked);
  const rollout = Math.min(PAIR_ROLLOUT, model.info.contextLength);
  const { tokens, acceptance, advice } = forecast(pair, rollout);
  return `${advice} (by ${tokens} tokens, of which speculative sampling would accept ${percent(acceptance)})`;
}

function isBundled(name: string): boolean {
  return bundledModels().some((model) => model.name === name);
}

function formatFinding({ check, ok, detail }: Finding): string {
  return `${ok ? pc.green("ok  ") : pc.red("FAIL")} ${check.padEnd(11)} ${detail}`;
}
