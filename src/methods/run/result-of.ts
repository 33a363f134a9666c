/** Makes the result of a run. */
import type { Text } from "../../chain/chain.js";
import { logMassOf } from "../../chain/token-values.js";
import { toolCallsIn } from "../../engine/chat/answer.js";
import { LlamaEtsError } from "../../engine/errors.js";
import { VERSION } from "../../version.js";
import { type Resolved, settingsOf } from "../options/settings.js";
import type { Result, StopReason } from "../result.js";
import type { MethodDiagnostics, Step } from "../step.js";
import type { Opened } from "./open-run.js";
import { type Law, outcomeOf } from "./outcome.js";
import type { RunRewards } from "./run-rewards.js";
import { massWarning, retokenisedWarning } from "./warnings.js";

/** How a run ended. */
interface Ending {
  text: Text;
  reward: number | null;
  law: Law;
  /** The method's own diagnostics of the run. */
  own: MethodDiagnostics;
  isOutOfBudget: boolean;
  /** Whether the text was cut off, and has an end that its constraint allows. */
  isClosed: boolean;
  rewards: RunRewards;
}

/** The result of a run that ends with the text. Also sends the rest of the text to the stream. */
export async function resultOf(opened: Opened<unknown>, ending: Ending): Promise<Result> {
  const { method, model, plan, prompt, chat, chain, proposal, settings, steps } = opened;
  const { text, reward, own, isOutOfBudget, isClosed, rewards } = ending;
  const answer = rewards.answerAtEnd(text);
  const { info, path } = model;
  const { engine } = model.describe();
  const constraintLogMass = settings.policy.sampling.constraint && logMassOf(text);
  const ended = isOutOfBudget ? "budget" : (text.finishReason as StopReason);
  const stopReason = isClosed ? "closed" : ended;
  const isPartial = stopReason === "length" || stopReason === "budget";
  // Tool calls are parsed from the text with its thoughts, because the template defines the form of both.
  const ids = Int32Array.from(text.tokens);
  const all = text.thoughts ? model.detokenize(ids, { continues: true }) : text.text;
  const written = { ...text, text: all, isPartial };
  const toolCalls = chat?.tools.length && (await toolCallsIn(model, chat, written));
  const usage = await chain.usage();
  const retokenised = retokenisedWarning(usage);
  if (retokenised !== null) opened.warnings.push(retokenised);
  const law = retokenised !== null && ending.law === "target" ? "biased" : ending.law;
  opened.stream?.end(text.text, text.thoughts?.text ?? "");
  return {
    method: plan.method,
    text: text.text,
    ...(text.thoughts && { reasoning: text.thoughts.text, thoughts: text.thoughts }),
    ...(toolCalls && { toolCalls }),
    answer,
    tokens: text.tokens,
    logProbs: text.logProbs,
    ...(text.entropies && { entropies: text.entropies }),
    ...(text.selfCertainties && { selfCertainties: text.selfCertainties }),
    ...(constraintLogMass !== undefined && { constraintLogMass }),
    agreement: rewards.agreementWith(answer),
    ...outcomeOf(method, settings, {
      law,
      reward,
      steps,
      diagnostics: own,
      best: rewards.best,
      answerOf: (seen) => rewards.answerOf(seen),
    }),
    steps,
    usage,
    ...(proposal && { proposalUsage: await proposal.usage() }),
    stopReason,
    ...own,
    warnings: opened.warnings,
    seed: settings.policy.seed,
    plan,
    settings: settingsOf(settings),
    prompt,
    model: { path, description: info.description, parameters: info.parameters },
    versions: { llamaEts: VERSION, llamaCpp: engine.release, node: process.versions.node },
  };
}

/** A warning if a constraint leaves too little of p_ref to be trusted; otherwise null. */
export function lostMassWarning(
  text: Text,
  { policy, energy }: Resolved,
  steps: readonly Step[],
  { logNormaliser }: MethodDiagnostics,
): string | null {
  if (policy.sampling.constraint === undefined) return null;
  const rewarded = steps.at(-1)?.candidates.flatMap(({ completions }) => completions) ?? [];
  const peak = Math.max(...rewarded.map(({ reward }) => reward), 0) / energy.lambda;
  // exp(r / λ) is at most exp(peak).
  return massWarning(logNormaliser === undefined ? logMassOf(text) : logNormaliser - peak);
}

export function allDied(): LlamaEtsError {
  return new LlamaEtsError(
    "ERR_CONSTRAINT_DEAD",
    "Every text came to a place where nothing that the constraint allows has probability",
    { fix: "more `candidates`, less truncation (`topK`, `topP`, `minP`), or a wider constraint" },
  );
}
