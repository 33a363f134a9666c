/** Opens what a run draws with, once it is checked and planned. */
import type { Chain, Proposal } from "../chain/chain.js";
import { openChain, openProposal } from "../chain/open.js";
import type { EstimateOptions } from "../energy/estimate.js";
import type { EncodedPrompt, Prompt } from "../engine/chat/conversation.js";
import type { Model } from "../engine/engine.js";
import type { Plan } from "../planning/run-plan.js";
import type { MethodFacts } from "./method.js";
import type { OwnOptions, ValuesOf } from "./option.js";
import { planRun } from "./plan-run.js";
import { preparePrompt } from "./prepare-prompt.js";
import { checkNames, type GivenOptions, promptOptions } from "./resolve-options.js";
import type { Result } from "./result.js";
import { chainOptionsOf, type Resolved } from "./settings.js";
import type { Step } from "./step.js";
import { TextStream } from "./text-stream.js";

/** What a run was opened with. */
export interface Opened<Own> {
  method: MethodFacts;
  model: Model;
  plan: Plan;
  prompt: Result["prompt"];
  /** What rewards are told of the prompt. */
  asked: EstimateOptions["asked"];
  /** What the prompt was made of. */
  chat: EncodedPrompt["chat"];
  /** How thoughts are told from answers; null: they aren't. */
  thoughtRules: EncodedPrompt["thoughts"];
  settings: Resolved<Own>;
  chain: Chain;
  proposal: Proposal | null;
  /** Null where the caller isn't told of the text. */
  stream: TextStream | null;
  steps: Step[];
  warnings: string[];
}

function streamOf({ policy, callbacks: { onText } }: Resolved): TextStream | null {
  return onText === undefined ? null : new TextStream(onText, policy.stop);
}

/** See `Run.open`, which says what it throws. */
export async function openRun<O extends OwnOptions>(
  method: MethodFacts<O>,
  model: Model,
  prompt: Prompt,
  options: GivenOptions,
): Promise<Opened<ValuesOf<O>>> {
  checkNames(method, options);
  promptOptions(options);
  options.signal?.throwIfAborted?.();
  const { encoded, constraint } = await preparePrompt(method, model, prompt, options);
  const given = { ...options, ...(constraint && { constraint }) };
  const { plan, resolved } = planRun(method, model, given, encoded.tokens.length);
  resolved.callbacks.onPlan?.(structuredClone(plan));
  const steps: Step[] = [];
  const warnings: string[] = [];
  const onWarning = (message: string) => {
    warnings.push(message);
    resolved.callbacks.onWarning?.(message);
  };
  const stream = streamOf(resolved);
  // A diffusion model fills in positions that stand before others.
  const isFinal = method.drawsOneText === true && !model.info.isDiffusion;
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
  const asked = { prompt: text, specials, extract: resolved.energy.extract };
  const opened = {
    thoughtRules: encoded.thoughts,
    model,
    plan,
    prompt: record,
    asked,
    chat,
    settings: resolved,
    chain,
    proposal,
    stream,
  };
  return { method: method as MethodFacts, ...opened, steps, warnings };
}
