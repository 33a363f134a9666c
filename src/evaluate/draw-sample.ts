/** Draws one sample: one run of a method on an item. It doesn't grade the sample. */

import type { Model } from "../engine/engine.js";
import { codeOf, LlamaEtsError, messageOf } from "../engine/errors.js";
import { given } from "../engine/given.js";
import type { Vocabulary } from "../engine/vocabulary.js";
import { hasOwnReward, METHODS } from "../methods/registry.js";
import type { Result } from "../methods/result.js";
import { rewardOfItem } from "../rewards/item-reward.js";
import { DEFAULT_REWARD } from "../rewards/named.js";
import type { Reward } from "../rewards/reward.js";
import { selfConsistency } from "../rewards/self-consistency.js";
import { answersOf, type PromptForm, promptOf, type Task, type TaskItem } from "../tasks/task.js";
import { promptSettings, toMethodOptions } from "./configured-methods.js";
import type { DrawJob } from "./jobs.js";
import type { DrawnText, FailedSample, Kept, KeptText, TokenPart } from "./store/run-files.js";

/** The models, the task and the reward that samples are drawn with. */
export interface DrawContext {
  model: Model;
  proposal: Model | undefined;
  task: Task;
  form: PromptForm;
  /** The reward of methods without their own. Default: self-consistency of the task's answers. */
  reward: Reward | undefined;
  /** The opened potentials and rewards that methods name, by their names. Default: none. */
  named?: ReadonlyMap<string, Reward>;
  /** What samples keep of the whole texts that their methods drew. Default "none". */
  keep?: Kept;
  signal: AbortSignal | undefined;
  /** Called with the number of tokens that a run has generated so far. */
  onTokens?: (key: string, generated: number) => void;
}

export type Outcome = { drawn: DrawnText } | { error: FailedSample["error"] };

/** A request to an executor. An executor draws the jobs in this process or on workers. */
export interface DrawRequest {
  jobs: readonly DrawJob[];
  /** Called with the outcome of each job. The executor awaits it. */
  onOutcome: (job: DrawJob, outcome: Outcome) => Promise<void>;
}

/**
 * Draws a sample. A failed run is an outcome too, but the promise rejects on an abort or if the engine's
 * server can't be reached.
 */
export async function drawSample(job: DrawJob, context: DrawContext): Promise<Outcome> {
  const { model, proposal, task, form, signal, onTokens, keep = "none" } = context;
  const { item, method, seed } = job;
  const answers = answersOf(task, item);
  const seen = { ...item.row, ...withoutRow(item) };
  const named = givenReward(job, context);
  const reward = named
    ? rewardOfItem(named, seen)
    : hasRewardUnasked(job)
      ? undefined
      : selfConsistency(answers);
  const open = (name: string) => rewardOfItem(opened(context, name), seen);
  try {
    const options = toMethodOptions(job.options, open);
    const result = await METHODS[method](model, promptOf(task, item, form).prompt, {
      prefixCache: false, // a sample's cost and rounding must not depend on other samples
      ...promptSettings(task, form, item, options),
      seed,
      ...(!votesOnData(job.options) && { extract: answers.extract }),
      ...(reward && { reward }),
      ...(METHODS[method].proposal && proposal && { proposal }),
      ...(keepsOfTokens(keep, "entropies") &&
        !METHODS[method].expands && { metrics: ["entropies"] }),
      ...(signal && { signal }),
      ...(onTokens && { onProgress: ({ generated }) => onTokens(job.key, generated) }),
    });
    return { drawn: toDrawn(result, job, { keep, model }) };
  } catch (error) {
    signal?.throwIfAborted();
    // Without the server every other sample would fail too.
    if (codeOf(error) === "ERR_ENGINE_UNREACHABLE") throw error;
    return { error: describeFailure(error) };
  }
}

/** Returns the reward that the job's method or the evaluation names; undefined for votes on answers. */
function givenReward({ options }: DrawJob, context: DrawContext): Reward | undefined {
  if (options.reward === undefined) return context.reward;
  return options.reward === DEFAULT_REWARD ? undefined : opened(context, options.reward);
}

/**
 * Returns whether the job needs no reward from here: presets, votes on data and some methods bring their own.
 */
function hasRewardUnasked({ method, options }: DrawJob): boolean {
  if (votesOnData(options)) return true;
  if (options.reward !== undefined) return false;
  return options.preset !== undefined || hasOwnReward(method, options);
}

/** Returns whether votes compare parts of JSON data instead of the task's answers. */
function votesOnData({ voteFields, voteExcept }: DrawJob["options"]): boolean {
  return voteFields !== undefined || voteExcept !== undefined;
}

function withoutRow({ row: _, ...item }: TaskItem): Omit<TaskItem, "row"> {
  return item;
}

function opened({ named }: DrawContext, name: string): Reward {
  const reward = named?.get(name);
  if (reward !== undefined) return reward;
  throw new LlamaEtsError("ERR_REWARD", `${name} was not opened`);
}

export function describeFailure(error: unknown): FailedSample["error"] {
  return { code: codeOf(error) ?? "ERR_UNEXPECTED", message: messageOf(error) };
}

/** Returns whether a given part of each token is kept. */
export function keepsOfTokens(keep: Kept, part: TokenPart): boolean {
  return typeof keep !== "string" && keep.includes(part);
}

/** What is kept, and the vocabulary that converts tokens to text. */
interface Keeping {
  keep: Kept;
  model: Vocabulary;
}

function toDrawn(result: Result, job: DrawJob, keeping: Keeping): DrawnText {
  const { text, answer, stopReason, agreement, usage, proposalUsage, steps, warnings } = result;
  const { reward, best, evidence } = result;
  return {
    text,
    answer,
    stopReason,
    agreement,
    warnings,
    ...(evidence.rewards && { reward, bestReward: best?.reward ?? null }),
    usage: toUsage(usage),
    ...(proposalUsage && { proposalUsage: toUsage(proposalUsage) }),
    steps: steps.map(({ ess, rolloutEss, khat, agreement }) => ({
      ess,
      ...(rolloutEss !== undefined && { rolloutEss }),
      ...(khat !== undefined && { khat }),
      agreement,
    })),
    ...(keeping.keep !== "none" &&
      (METHODS[job.method].drawsIndependent
        ? { texts: textsOf(result, keeping) }
        : tokenFieldsOf(result, keeping))),
  };
}

function textsOf({ steps, evidence }: Result, keeping: Keeping): KeptText[] {
  const [step] = steps;
  return (step?.candidates ?? []).map(({ text, tokens, logProbs, completions: [own] }) => ({
    text,
    answer: own?.answer ?? null,
    generated: tokens.length,
    reward: evidence.rewards ? (own?.reward ?? null) : null,
    logProb: logProbs.reduce((sum, logProb) => sum + logProb, 0),
    ...tokenFieldsOf({ tokens, logProbs, ...given({ entropies: own?.entropies }) }, keeping),
  }));
}

/** Returns the kept fields of the tokens of a text. */
function tokenFieldsOf(
  { tokens, logProbs, entropies }: Pick<Result, "tokens" | "logProbs" | "entropies">,
  { keep, model }: Keeping,
): Pick<KeptText, "ids" | "pieces" | "logProbs" | "entropies"> {
  // JSON has no infinity.
  const finite = (values: readonly number[]) =>
    values.map((value) => (Number.isFinite(value) ? value : null));
  return {
    ...(keepsOfTokens(keep, "tokens") && { ids: [...tokens], pieces: piecesOf(tokens, model) }),
    ...(keepsOfTokens(keep, "logprobs") && { logProbs: finite(logProbs) }),
    ...(keepsOfTokens(keep, "entropies") && entropies && { entropies: finite(entropies) }),
  };
}

/**
 * Returns what each token adds to the text. A character that spans several tokens comes with the last of
 * them.
 */
function piecesOf(tokens: readonly number[], model: Vocabulary): string[] {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  return tokens.map((token, i) => {
    const bytes = model.textBytes(Int32Array.of(token), { special: true });
    return decoder.decode(bytes, { stream: i + 1 < tokens.length });
  });
}

function toUsage({ prefilled, generated, decoded, scored, ms }: Result["usage"]) {
  return { prefilled, generated, decoded, scored, ms };
}
