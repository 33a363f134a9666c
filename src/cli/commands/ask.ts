import type { Command } from "commander";
import pc from "picocolors";
import { bundledDefaults, DEFAULT_MODEL } from "../../engine/bundled-models.js";
import type { Tool } from "../../engine/chat/messages.js";
import type { ToolChoice } from "../../engine/chat/tool-choice.js";
import { checkOneOf } from "../../engine/check.js";
import { compiledConstraint } from "../../engine/constraint/constraint.js";
import { LlamaEtsError } from "../../engine/errors.js";
import { auto } from "../../methods/auto.js";
import { checkTaken } from "../../methods/by-name.js";
import { checkOptions } from "../../methods/options/resolve.js";
import {
  hasOwnReward,
  METHOD_NAMES,
  METHODS,
  type MethodName,
  type MethodOptions,
} from "../../methods/registry.js";
import {
  DEFAULT_REWARD,
  namedPotential,
  type OpenedReward,
  openReward,
} from "../../rewards/named.js";
import { findTask, TASK_SPECS } from "../../tasks/index.js";
import { answersOf, type Task } from "../../tasks/task.js";
import { addConfigOption } from "../config-file.js";
import { asFlags, failStalled, Interrupted, interruptSignal } from "../exit.js";
import { groupOptions } from "../help-groups.js";
import {
  addMethodOptions,
  hasPresetReward,
  isMethodsOwn,
  type MethodFlags,
  toMethodOptions,
} from "../method-flags.js";
import { addModelOptions, loadNamedModel, loadOtherModel, loadProposal } from "../model-flags.js";
import { numberOption } from "../numbers.js";
import { readJsonArray } from "../prompt-files.js";
import type { LiveText } from "../terminal.js";
import { checkFiles, keepPartial, type PartialRun, writeFiles } from "./ask-files.js";
import { isWordProblem, settled } from "./ask-method.js";
import { formatAnswer, formatPlan } from "./ask-output.js";
import { type AskedPrompt, readAsked } from "./ask-prompt.js";

interface AskFlags extends MethodFlags {
  method?: string;
  messages?: string;
  tools?: string;
  toolChoice?: string;
  potential?: string;
  task?: string;
  seed?: number;
  json?: boolean;
  quiet?: boolean;
  verbose?: boolean;
  trace?: string;
  report?: string;
  showReasoning?: boolean;
  voteField?: string[];
  voteExcept?: string[];
}

export function askCommand(command: Command): Command {
  command.argument("[prompt]", "the question; - or nothing reads it from standard input");
  addConfigOption(addModelOptions(command)).option(
    "--method <name>",
    `${METHOD_NAMES.join(", ")}; auto chooses by what you tell of a good answer (default: auto)`,
  );
  addMethodOptions(command, askedMethods)
    .option("--task <name>", `how answers are found: ${TASK_SPECS} (default: any form)`)
    .option("--messages <file>", "in place of a question: chat messages, a JSON array as OpenAI's")
    .option("--tools <file>", "what the model may call: a JSON array as OpenAI's")
    .option(
      "--tool-choice <how>",
      "auto: calls keep to the form of the tools; required, or a function's name: the answer is calls; none",
    )
    .option("--show-reasoning", "print the model's thoughts before its answer")
    .option("--seed <n>", "the same seed gives the same answer (default: 0)", numberOption)
    .option("-v, --verbose", "print the plan before work starts: context, memory, tokens")
    .option("--json", "print the whole result as one JSON object")
    .option("-q, --quiet", "print the answer's text alone")
    .option("--trace <file>", "write the run, every candidate and rollout, as JSON")
    .option("--report <file>", "write how the answer was found, as one HTML page")
    .action(ask);
  return groupOptions(command, COMMON, isMethodsOwn, [
    'llama-ets ask "A train goes 60 km an hour for 3 hours. How far is that?"   (the bundled model)',
    'llama-ets ask -m hf:Qwen/Qwen3-1.7B-GGUF:Q8_0 --max-tokens 1024 -B 128 "…"',
    'llama-ets ask -m model.gguf --method best-of-n --reward model:judge.gguf "…"',
    "llama-ets ask --method particle --help   (with the method's own options)",
  ]);
}

const COMMON = [
  "model",
  "method",
  "candidates",
  "rollouts",
  "block-tokens",
  "reward",
  "task",
  "seed",
  "config",
];

/** Returns the method that the user named, whose help is then shown. */
function askedMethods(command: Command): string[] {
  const isGiven = command.getOptionValueSource("method") === "cli";
  return isGiven ? [String(command.opts().method)] : [];
}

/** The note about the default model, which answers if the user names none. */
const TOY = `${DEFAULT_MODEL}, the bundled model, is a toy: it solves word problems of one kind, and nothing else.
For other questions: -m FILE.gguf, or -m hf:Qwen/Qwen3-1.7B-GGUF:Q8_0, which is downloaded once (1.8 GB).`;

function isModelGiven(command: Command): boolean {
  return command.getOptionValueSource("model") !== "default";
}

async function ask(prompt: string | undefined, flags: AskFlags, command: Command): Promise<void> {
  const { liveText } = await import("../terminal.js");
  const asked = await checkAsked(prompt, flags);
  const { task, answered, potential: potentialName, needsProposal, name, given } = asked;
  const { question } = asked.prompt;
  const signal = interruptSignal();
  const isShown = !flags.json && !flags.quiet;
  const soFar: PartialRun = { method: name, question, steps: [] };
  let isAnswered = false;
  const live = liveText();
  process.once("beforeExit", failStalled);
  try {
    const ownsReward = flags.reward === undefined && (name === "auto" || hasOwnReward(name, given));
    await using opened = ownsReward ? null : await openNamedReward(flags, answered, signal);
    await using potential =
      potentialName === undefined ? null : await openByName(potentialName, flags, task, signal);
    const started = performance.now();
    await using model = await loadNamedModel(flags, signal);
    await using proposal = needsProposal ? await loadProposal(flags, model, signal) : null;
    const loadMs = performance.now() - started;
    if (isShown && !isModelGiven(command) && !isWordProblem(question)) console.error(pc.dim(TOY));
    const draw = name === "auto" ? auto : METHODS[name];
    const result = await draw(model, asked.prompt.prompt, {
      ...given,
      raw: given.raw ?? asked.prompt.raw,
      stop: [...asked.prompt.stop, ...(given.stop ?? [])],
      ...(opened && { reward: opened.reward }),
      ...(potential && { potential: potential.reward }),
      ...(proposal && { proposal }),
      ...follow(soFar, live, flags.verbose === true),
      signal,
    });
    live.close();
    if (flags.json) console.log(JSON.stringify(result));
    else if (flags.quiet) console.log(result.text);
    else {
      const showsReasoning = flags.showReasoning === true;
      console.log(formatAnswer(result, { loadMs, model, showsReasoning }));
    }
    isAnswered = true;
    await writeFiles(flags, { question, ...result }, signal);
  } catch (error) {
    live.close();
    if (error instanceof Interrupted) {
      if (isAnswered) console.error("Interrupted before all files were written.");
      else await keepPartial(soFar, flags, signal);
    }
    throw error;
  } finally {
    process.off("beforeExit", failStalled);
  }
}

/** The request of the flags, checked as far as possible without a model. */
interface Asked {
  /** The task that extracts answers. */
  task: Task | undefined;
  /** The task, if the reward uses answers. */
  answered: Task | undefined;
  prompt: AskedPrompt;
  name: MethodName | "auto";
  given: MethodOptions;
  /** The name of the potential, which is opened later. */
  potential: string | undefined;
  needsProposal: boolean;
}

async function checkAsked(prompt: string | undefined, flags: AskFlags): Promise<Asked> {
  const named = checkOneOf("--method", flags.method ?? "auto", [...METHOD_NAMES, "auto"] as const);
  const task = await taskOf(flags);
  // Votes on parts of data don't use the answers of a task.
  const votesOnData = flags.voteField !== undefined || flags.voteExcept !== undefined;
  const answered = votesOnData ? undefined : task;
  const options = toAskOptions(flags, task, answered);
  const needsProposal = named !== "auto" && METHODS[named].proposal !== undefined;
  if (flags.proposal !== undefined && !needsProposal) {
    throw new LlamaEtsError("ERR_INVALID_OPTION", `--proposal needs --method ets-is, not ${named}`);
  }
  const { potential, ...set } = options;
  if (named === "auto") {
    settled(named, { flags, set, question: null });
  } else {
    checkTaken(named, options);
    checkOptions(METHODS[named], {
      ...set,
      ...(potential !== undefined && { potential: namedPotential(potential) }),
    });
  }
  await checkFiles(flags);
  await compiledConstraint(options.constraint);
  const read = await readAsked(prompt, flags, task, options.raw === true);
  const chosen = settled(named, { flags, set, question: read.question });
  return { task, answered, prompt: read, ...chosen, potential, needsProposal };
}

/** Returns callbacks that keep the steps of a run and show its text while it is drawn. */
function follow(soFar: PartialRun, live: LiveText, isVerbose: boolean) {
  let where = "";
  let final = "";
  return {
    onWarning: (message) => console.error(asFlags(message)),
    onPlan: (plan) => {
      soFar.plan = plan;
      if (isVerbose) console.error(formatPlan(plan));
    },
    onStep: (step) => soFar.steps.push(step),
    onProgress: ({ step, steps, generated }) => {
      where = `step ${step + 1} of ${steps}, ${generated} tokens`;
    },
    onText: ({ committed, draft }) => {
      final += committed;
      live.show(where, final + draft);
    },
  } satisfies MethodOptions;
}

async function taskOf({ task, model }: AskFlags): Promise<Task | undefined> {
  const name = task ?? bundledDefaults(model).task;
  return name === undefined ? undefined : findTask(name);
}

/** The options for the library. The potential is still a name and is opened later. */
type AskOptions = Omit<MethodOptions, "potential"> & { potential?: string };

/** Converts the flags to options for the library. */
function toAskOptions(
  flags: AskFlags,
  task: Task | undefined,
  answered: Task | undefined,
): AskOptions {
  return {
    ...toMethodOptions(flags, task?.name),
    ...(flags.seed !== undefined && { seed: flags.seed }),
    ...(flags.tools !== undefined && { tools: readJsonArray<Tool>("--tools", flags.tools) }),
    ...(flags.toolChoice !== undefined && { toolChoice: toToolChoice(flags.toolChoice) }),
    ...(answered && { extract: (text: string) => answered.extract(text) }),
  };
}

/** Converts `--tool-choice`. Any text but the three keywords is the name of a function. */
function toToolChoice(choice: string): ToolChoice {
  if (choice === "auto" || choice === "required" || choice === "none") return choice;
  return { type: "function", function: { name: choice } };
}

/** Opens the reward that `--reward` names; null if the preset's reward or the potential is used. */
async function openNamedReward(
  flags: AskFlags,
  task: Task | undefined,
  signal: AbortSignal,
): Promise<OpenedReward | null> {
  const { reward, potential } = flags;
  if (hasPresetReward(flags) || (reward === undefined && potential !== undefined)) return null;
  return openByName(reward ?? DEFAULT_REWARD, flags, task, signal);
}

function openByName(
  name: string,
  flags: AskFlags,
  task: Task | undefined,
  signal: AbortSignal,
): Promise<OpenedReward> {
  return openReward(name, {
    ...(task && answersOf(task)),
    signal,
    loadModel: (model) => loadOtherModel(flags, model, signal),
  });
}
