import { text as readAll } from "node:stream/consumers";
import { checkOneOf } from "../engine/check.js";
import { LlamaEtsError } from "../engine/errors.js";
import type { Model } from "../engine/local/model.js";
import type { Plan } from "../methods/plan.js";
import { METHODS } from "../methods/registry.js";
import { checkOptions } from "../methods/resolve-options.js";
import type { Result } from "../methods/result.js";
import type { Step } from "../methods/step.js";
import { VERSION } from "../version.js";
import { writeAskFiles } from "./ask-files.js";
import { type AskFlags, METHOD_NAMES } from "./ask-flags.js";
import { openNamedReward, toAskOptions, toAskPrompt } from "./ask-options.js";
import { formatAnswer, formatInterrupted } from "./ask-output.js";
import { exitWith, failStalled, Interrupted, interruptSignal } from "./exit.js";
import { liveText } from "./live-text.js";
import { loadNamedModel, loadProposal } from "./load-named-model.js";
import { formatPlan } from "./plan-output.js";
import { progressBar } from "./progress-bar.js";

export async function ask(prompt: string | undefined, flags: AskFlags): Promise<void> {
  const name = checkOneOf("--method", flags.method, METHOD_NAMES);
  const options = await toAskOptions(flags);
  const needsProposal = name === "ets-is";
  if (flags.proposal !== undefined && !needsProposal) {
    throw new LlamaEtsError("ERR_INVALID_OPTION", `--proposal needs --method ets-is, not ${name}`);
  }
  checkOptions(name, options, { hasProposal: needsProposal });
  const question = await readPrompt(prompt);
  const asked = await toAskPrompt(flags, question);
  const signal = interruptSignal();

  let plan: Plan | undefined;
  const steps: Step[] = [];
  const bar = progressBar();
  const live = liveText();
  process.once("beforeExit", failStalled);
  try {
    await using opened = await openNamedReward(flags, signal);
    const started = performance.now();
    await using model = await loadNamedModel(flags, signal);
    await using proposal = needsProposal ? await loadProposal(flags, model, signal) : null;
    const loadMs = performance.now() - started;
    const result = await METHODS[name](model, asked.prompt, {
      ...options,
      raw: options.raw ?? asked.raw,
      stop: [...asked.stop, ...(options.stop ?? [])],
      ...(opened && { reward: opened.reward }),
      ...(proposal && { proposal }),
      onWarning: (message) => console.error(message),
      onPlan: (planned) => {
        plan = planned;
        if (flags.verbose) console.error(formatPlan(planned));
      },
      signal,
      onStep: (step) => steps.push(step),
      onProgress: ({ step, steps: total, generated, shown }) => {
        const where = `step ${step + 1} of ${total}, ${generated} tokens`;
        if (model.kind === "autoregressive") bar.show(step / total, where);
        else if (shown !== undefined) live.show(where, shown);
      },
    });
    bar.close();
    live.close();
    print(result, flags, { loadMs, model });
    await writeAskFiles(flags, { question, ...result });
  } catch (error) {
    bar.close();
    live.close();
    if (error instanceof Interrupted) await keepPartial(plan, steps, question, flags);
    throw error;
  } finally {
    process.off("beforeExit", failStalled);
  }
}

async function readPrompt(prompt: string | undefined): Promise<string> {
  if (prompt !== undefined && prompt !== "-") return prompt;
  if (prompt === undefined && process.stdin.isTTY) {
    throw new LlamaEtsError("ERR_INVALID_OPTION", "Expected a question, got none", {
      fix: 'llama-ets ask "Sam has 12 apples and eats 5. How many are left?"',
    });
  }
  return (await readAll(process.stdin)).trim();
}

function print(result: Result, flags: AskFlags, run: { loadMs: number; model: Model }): void {
  if (flags.json) console.log(JSON.stringify(result));
  else if (flags.quiet) console.log(result.text);
  else console.log(formatAnswer(result, run));
}

/** What an interrupted run had: its steps in the trace, the best text as a line. */
async function keepPartial(
  plan: Plan | undefined,
  steps: Step[],
  question: string,
  flags: AskFlags,
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
  const isKept = (await tryFiles(flags, partial)) && flags.trace !== undefined;
  console.error(formatInterrupted(steps, isKept ? flags.trace : undefined));
}

/** Tells what went wrong; an interrupted run ends as one all the same. */
async function tryFiles(flags: AskFlags, partial: object): Promise<boolean> {
  try {
    await writeAskFiles(flags, partial);
    return true;
  } catch (error) {
    exitWith(error);
    return false;
  }
}
