import { text as readAll } from "node:stream/consumers";
import type { Command } from "commander";
import pc from "picocolors";
import { bundledDefaults, DEFAULT_MODEL } from "../../engine/bundled-models.js";
import { type ChatMessage, readMessages, type Tool } from "../../engine/chat/messages.js";
import type { ToolChoice } from "../../engine/chat/tool-choice.js";
import { checkOneOf } from "../../engine/check.js";
import { compiledConstraint } from "../../engine/constraint/constraint.js";
import { LlamaEtsError } from "../../engine/errors.js";
import { auto } from "../../methods/auto.js";
import { checkTaken } from "../../methods/by-name.js";
import { checkOptions } from "../../methods/options/resolve.js";
import { hasOwnReward, METHOD_NAMES, METHODS, type MethodOptions } from "../../methods/registry.js";
import type { Step } from "../../methods/step.js";
import type { Plan } from "../../planning/run-plan.js";
import {
  DEFAULT_REWARD,
  namedPotential,
  type OpenedReward,
  openReward,
} from "../../rewards/named.js";
import { findTask, TASK_SPECS } from "../../tasks/index.js";
import { answersOf, type Task, type TaskPrompt } from "../../tasks/task.js";
import { VERSION } from "../../version.js";
import { isWordProblem, settled } from "../asked-method.js";
import { addConfigOption } from "../config-file.js";
import { asFlags, exitWith, failStalled, Interrupted, interruptSignal } from "../exit.js";
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
import { checkOutput, writeOutput } from "../write-output.js";
import { formatAnswer, formatInterrupted, formatPlan } from "./ask-output.js";

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

interface AskedPrompt extends Pick<TaskPrompt, "prompt" | "stop" | "raw"> {
  /** For reports. */
  question: string;
}

export function askCommand(command: Command): Command {
  command.argument("[prompt]", "the question; - or nothing reads it from standard input");
  addConfigOption(addModelOptions(command)).option(
    "--method <name>",
    `${METHOD_NAMES.join(", ")}; auto goes by what tells a good answer (default: auto)`,
  );
  addMethodOptions(command, askedMethods)
    .option("--task <name>", `how answers are found: ${TASK_SPECS} (default: any form)`)
    .option("--messages <file>", "in place of a question: chat messages, a JSON array as OpenAI's")
    .option("--tools <file>", "what the model may call: a JSON array as OpenAI's")
    .option(
      "--tool-choice <how>",
      "calls of the tools are of their form (auto), or are the answer (required, or a function's name); none",
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
  ...["model", "method", "candidates", "rollouts", "block-tokens", "reward", "task", "seed"],
  "config",
];

/** The method that was named, whose help is then shown. */
function askedMethods(command: Command): string[] {
  const isGiven = command.getOptionValueSource("method") === "cli";
  return isGiven ? [String(command.opts().method)] : [];
}

/** What the model is that answers where none was named. */
const TOY = `${DEFAULT_MODEL}, the bundled model, is a toy: it solves word problems of one kind, and nothing else.
For other questions: -m FILE.gguf, or -m hf:Qwen/Qwen3-1.7B-GGUF:Q8_0, which is downloaded once (1.8 GB).`;

function isModelGiven(command: Command): boolean {
  return command.getOptionValueSource("model") !== "default";
}

async function ask(prompt: string | undefined, flags: AskFlags, command: Command): Promise<void> {
  const { liveText } = await import("../terminal.js");
  const named = checkOneOf("--method", flags.method ?? "auto", [...METHOD_NAMES, "auto"] as const);
  const task = await taskOf(flags);
  // Votes on parts of data look at no answer of a task.
  const votesOnData = flags.voteField !== undefined || flags.voteExcept !== undefined;
  const answered = votesOnData ? undefined : task;
  const options = toAskOptions(flags, task, answered);
  const needsProposal = named !== "auto" && METHODS[named].proposal !== undefined;
  if (flags.proposal !== undefined && !needsProposal) {
    throw new LlamaEtsError("ERR_INVALID_OPTION", `--proposal needs --method ets-is, not ${named}`);
  }
  const { potential: potentialName, ...set } = options;
  if (named === "auto") {
    settled(named, { flags, set, question: null });
  } else {
    checkTaken(named, options);
    checkOptions(METHODS[named], {
      ...set,
      ...(potentialName !== undefined && { potential: namedPotential(potentialName) }),
    });
  }
  if (flags.trace !== undefined) await checkOutput("trace", flags.trace);
  if (flags.report !== undefined) await checkOutput("report", flags.report);
  await compiledConstraint(options.constraint);
  const asked = await toAskPrompt(prompt, flags, task, options.raw === true);
  const { question } = asked;
  const signal = interruptSignal();
  const isShown = !flags.json && !flags.quiet;
  const { name, given } = settled(named, { flags, set, question });

  let plan: Plan | undefined;
  const steps: Step[] = [];
  let where = "";
  let final = "";
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
    const result = await draw(model, asked.prompt, {
      ...given,
      raw: given.raw ?? asked.raw,
      stop: [...asked.stop, ...(given.stop ?? [])],
      ...(opened && { reward: opened.reward }),
      ...(potential && { potential: potential.reward }),
      ...(proposal && { proposal }),
      onWarning: (message) => console.error(asFlags(message)),
      onPlan: (planned) => {
        plan = planned;
        if (flags.verbose) console.error(formatPlan(planned));
      },
      signal,
      onStep: (step) => steps.push(step),
      onProgress: ({ step, steps: total, generated }) => {
        where = `step ${step + 1} of ${total}, ${generated} tokens`;
      },
      onText: ({ committed, draft }) => {
        final += committed;
        live.show(where, final + draft);
      },
    });
    live.close();
    if (flags.json) console.log(JSON.stringify(result));
    else if (flags.quiet) console.log(result.text);
    else
      console.log(
        formatAnswer(result, { loadMs, model, showsReasoning: flags.showReasoning === true }),
      );
    isAnswered = true;
    await writeFiles(flags, { question, ...result }, signal);
  } catch (error) {
    live.close();
    const method = plan?.method ?? name;
    if (error instanceof Interrupted) {
      if (isAnswered) console.error("Interrupted before all files were written.");
      else await keepPartial(plan, steps, question, { ...flags, method }, signal);
    }
    throw error;
  } finally {
    process.off("beforeExit", failStalled);
  }
}

async function taskOf({ task, model }: AskFlags): Promise<Task | undefined> {
  const name = task ?? bundledDefaults(model).task;
  return name === undefined ? undefined : findTask(name);
}

/** What the library is asked for; what it is asked to judge by is opened later. */
type AskOptions = Omit<MethodOptions, "potential"> & { potential?: string };

/** What the library is asked for, by the flags that were given. */
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

/** What is none of the words names a function. */
function toToolChoice(choice: string): ToolChoice {
  if (choice === "auto" || choice === "required" || choice === "none") return choice;
  return { type: "function", function: { name: choice } };
}

const EXAMPLE = 'llama-ets ask "Sam has 12 apples and eats 5. How many are left?"';

/** A raw prompt keeps every byte of standard input. */
async function readPrompt(prompt: string | undefined, isRaw: boolean): Promise<string> {
  if (prompt !== undefined && prompt !== "-") return prompt;
  if (prompt === undefined && process.stdin.isTTY) {
    throw new LlamaEtsError("ERR_INVALID_OPTION", "Expected a question, got none", {
      fix: EXAMPLE,
    });
  }
  const text = await readAll(process.stdin);
  return isRaw ? text : text.trim();
}

/**
 * What the model is asked: the question, or under a preset the task's few-shot text around it, or a
 * conversation, whose last question stands for it in reports.
 */
async function toAskPrompt(
  given: string | undefined,
  { preset, messages: file }: AskFlags,
  task: Task | undefined,
  isRaw: boolean,
): Promise<AskedPrompt> {
  if (file !== undefined) {
    if (given !== undefined || preset !== undefined) {
      const other = given === undefined ? "a --preset, which asks one question" : "a question";
      throw new LlamaEtsError("ERR_INVALID_OPTION", `Expected --messages or ${other}, got both`);
    }
    const messages = readJsonArray<ChatMessage>("--messages", file);
    const [last] = readMessages(messages)
      .filter(({ role }) => role === "user")
      .slice(-1);
    return { prompt: messages, question: last?.content ?? "", stop: [], raw: false };
  }
  const question = await readPrompt(given, isRaw);
  // A raw prompt may begin with a token of its own: the engine says whether it holds any.
  if (!isRaw && question.trim() === "") {
    const message = "Expected `prompt` to hold text, got nothing";
    throw new LlamaEtsError("ERR_INVALID_OPTION", message, { fix: EXAMPLE });
  }
  if (task === undefined || preset === undefined) {
    return { prompt: question, question, stop: [], raw: false };
  }
  return { ...task.prompt({ id: "asked", prompt: question, gold: "" }, "paper"), question };
}

/** The reward that `--reward` names; null: the preset's, or the potential. */
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

/**
 * Writes the trace, and the report drawn from it, where they were asked for. Throws `ERR_WRITE`.
 */
async function writeFiles(
  { trace, report }: AskFlags,
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

/** Keeps what an interrupted run had: its steps in the trace, its best text as a line. */
async function keepPartial(
  plan: Plan | undefined,
  steps: Step[],
  question: string,
  flags: AskFlags,
  signal: AbortSignal,
): Promise<void> {
  const partial = {
    method: flags.method,
    stopReason: "interrupted",
    plan,
    steps,
    question,
    prompt: { text: question },
    flags,
    versions: { llamaEts: VERSION, node: process.versions.node },
  };
  if (flags.json) console.log(JSON.stringify(partial));
  const isKept = (await tryFiles(flags, partial, signal)) && flags.trace !== undefined;
  console.error(formatInterrupted(steps, isKept ? flags.trace : undefined));
}

/** Says what went wrong; the run still ends as an interrupted one. */
async function tryFiles(flags: AskFlags, partial: object, signal: AbortSignal): Promise<boolean> {
  try {
    await writeFiles(flags, partial, signal);
    return true;
  } catch (error) {
    exitWith(error);
    return false;
  }
}
