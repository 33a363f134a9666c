/** Opens the chain, the proposal and the stream of a run after it is checked and planned. */
import type { Chain, Proposal } from "../../chain/chain.js";
import { openChain, openProposal } from "../../chain/open.js";
import type { EstimateOptions } from "../../energy/estimate.js";
import type { EncodedPrompt } from "../../engine/chat/conversation.js";
import type { Model } from "../../engine/engine.js";
import type { Plan, RunParts } from "../../planning/run-plan.js";
import type { MethodFacts } from "../method.js";
import type { OwnOptions, ValuesOf } from "../options/option.js";
import { chainOptionsOf, type Resolved } from "../options/settings.js";
import type { Result } from "../result.js";
import type { Step } from "../step.js";
import { type AskedRun, planAsked } from "./ask-run.js";
import { TextStream } from "./text-stream.js";

/** Everything that a run has after it was opened. */
export interface Opened<Own> {
  method: MethodFacts;
  model: Model;
  plan: Plan;
  prompt: Result["prompt"];
  /** The part of the rewards' input that describes the prompt. */
  asked: EstimateOptions["asked"];
  /** The parts of the prompt. */
  chat: EncodedPrompt["chat"];
  /** How thoughts are distinguished from answers; null: texts have no thoughts. */
  thoughtRules: EncodedPrompt["thoughts"];
  settings: Resolved<Own>;
  chain: Chain;
  proposal: Proposal | null;
  /** Null if the caller doesn't follow the text. */
  stream: TextStream | null;
  steps: Step[];
  warnings: string[];
}

function streamOf({ policy, callbacks: { onText } }: Resolved): TextStream | null {
  return onText === undefined ? null : new TextStream(onText, policy.stop);
}

/** Plans the run, and opens what it draws with. */
export async function openRun<O extends OwnOptions>(
  asked: AskedRun<O>,
  within?: RunParts,
): Promise<Opened<ValuesOf<O>>> {
  const { method, model, encoded, options } = asked;
  const { plan, resolved } = planAsked(asked, within);
  resolved.callbacks.onPlan?.(structuredClone(plan));
  const steps: Step[] = [];
  const warnings: string[] = [];
  const onWarning = (message: string) => {
    warnings.push(message);
    resolved.callbacks.onWarning?.(message);
  };
  const stream = streamOf(resolved);
  // A diffusion model may fill in earlier positions later, and closing removes tokens.
  const isFinal =
    method.drawsOneText === true && !model.info.isDiffusion && !resolved.limits.closes;
  const onLive =
    stream === null
      ? undefined
      : (text: string, thoughts: string | null) =>
          isFinal ? stream.commit(text, thoughts) : stream.show(text);
  const chainOptions = { ...chainOptionsOf(resolved, encoded, steps), onLive, onWarning };
  for (const note of encoded.notes) onWarning(note);
  const chain = await openChain(model, plan.model, chainOptions);
  let proposal: Proposal | null = null;
  try {
    const { proposal: settings } = resolved.energy;
    if (options.proposal && plan.proposal && settings) {
      proposal = await openProposal(options.proposal, plan.proposal, chainOptions, settings);
    }
  } catch (error) {
    await chain[Symbol.asyncDispose]();
    throw error;
  }
  const record = { text: encoded.text, tokens: [...encoded.tokens] };
  const { text, specials, chat } = encoded;
  const opened = {
    thoughtRules: encoded.thoughts,
    model,
    plan,
    prompt: record,
    asked: { prompt: text, specials, extract: resolved.energy.extract },
    chat,
    settings: resolved,
    chain,
    proposal,
    stream,
  };
  return { method: method as MethodFacts, ...opened, steps, warnings };
}
