/**
 * A token budget for a whole evaluation. Each method has an equal share. An item gets samples until its vote
 * is settled, and the items with the fewest samples come first. What settled items save goes to the other
 * items.
 */
import type { Model } from "../engine/engine.js";
import { LlamaEtsError } from "../engine/errors.js";
import { METHODS } from "../methods/registry.js";
import type { PromptForm, Task } from "../tasks/task.js";
import type { ConfiguredMethod } from "./configured-methods.js";
import { groupBy } from "./group-by.js";
import type { DrawJob } from "./jobs.js";
import { planJob } from "./side-by-side.js";
import { isVoteSettled, tokensOf } from "./store/item-votes.js";
import type { Sample } from "./store/run-files.js";

/** The tokens that a method may spend, and the maximum that one of its samples takes. */
interface Share {
  tokens: number;
  perSample: number;
}

/** The shares of a total budget, by method. */
export type BudgetPlan = Readonly<Record<string, Share>>;

/**
 * Refuses tasks and options that don't allow votes, before a model is loaded. Throws `ERR_INVALID_OPTION`.
 */
export function checkVoting(task: Task, samples = 1): void {
  if (samples < 2) {
    throw refusal("decides which items get more samples: expected `samples` of 2 or more, got 1", {
      fix: "samples: 32, the most that an item may get",
    });
  }
  if (task.runsCode || task.isWhole) {
    throw refusal(
      `goes by votes on short answers, and those to ${task.name} are ${task.runsCode ? "programs" : "whole texts"}`,
    );
  }
}

/**
 * Plans what each method may spend of a total. Each share must pay for the longest possible sample of each
 * item.
 *
 * @param jobs of all methods
 * @throws LlamaEtsError `ERR_INVALID_OPTION` if the total is too small, or if a method's samples are all the
 *   same
 */
export async function planBudget(
  total: number,
  methods: readonly ConfiguredMethod[],
  jobs: readonly DrawJob[],
  setting: { model: Model; proposal: Model | undefined; task: Task; form: PromptForm },
): Promise<BudgetPlan> {
  const tokens = Math.floor(total / methods.length);
  const shares: [string, Share][] = [];
  for (const configured of methods) {
    refuseRepeating(configured);
    const own = jobs.filter(({ name }) => name === configured.name);
    shares.push([configured.name, { tokens, perSample: await mostTokens(own, setting) }]);
  }
  const items = new Set(jobs.map(({ item }) => item.id)).size;
  for (const [name, { perSample }] of shares) {
    if (items * perSample <= tokens) continue;
    throw refusal(
      `${total} leaves ${tokens} tokens to ${name}; a sample of each of the ${items} items may take ${perSample} tokens each`,
      {
        fix: `${methods.length * items * perSample} tokens or more, a smaller \`maxTokens\`, or a \`limit\``,
      },
    );
  }
  return Object.fromEntries(shares);
}

/**
 * Yields the batches of jobs that the budget allows. The caller must add a batch's samples to `drawn` before
 * it takes the next batch.
 */
export function* batchesWithin(
  plan: BudgetPlan,
  jobs: readonly DrawJob[],
  drawn: ReadonlyMap<string, Sample>,
): Iterable<DrawJob[]> {
  for (;;) {
    const next = nextJobs(jobs, drawn, plan);
    if (next.length === 0) return;
    yield next;
  }
}

/**
 * Returns the jobs to draw next. Each method draws for its unsettled items with the fewest samples, in the
 * order of the data, as many as its share is sure to pay for. The result is empty if the budget is spent or
 * every vote is settled. The set of all drawn samples doesn't depend on the concurrency or on interruptions.
 *
 * @param drawn the existing samples, by their keys
 */
function nextJobs(
  jobs: readonly DrawJob[],
  drawn: ReadonlyMap<string, Sample>,
  plan: BudgetPlan,
): DrawJob[] {
  const byMethod = groupBy(jobs, ({ name }) => name);
  return [...byMethod].flatMap(([name, own]) => nextOf(own, drawn, plan[name] as Share));
}

function nextOf(
  jobs: readonly DrawJob[],
  drawn: ReadonlyMap<string, Sample>,
  { tokens, perSample }: Share,
): DrawJob[] {
  let spent = 0;
  const waiting: DrawJob[] = [];
  for (const own of groupBy(jobs, ({ item }) => item.id).values()) {
    const samples = own.flatMap(({ key }) => drawn.get(key) ?? []);
    spent += samples.reduce((sum, sample) => sum + tokensOf(sample), 0);
    const next = own.find(({ key }) => !drawn.has(key));
    if (next !== undefined && !isVoteSettled(samples, own.length)) waiting.push(next);
  }
  const fewest = Math.min(...waiting.map(({ sample }) => sample));
  const affordable = Math.max(0, Math.floor((tokens - spent) / perSample));
  return waiting.filter(({ sample }) => sample === fewest).slice(0, affordable);
}

/** Refuses methods that always draw the same text, because votes of equal texts say nothing. */
function refuseRepeating({ name, method, settings }: ConfiguredMethod): void {
  const { temperature } = (settings.sampling ?? {}) as { temperature?: number };
  if (!METHODS[method].expands && temperature !== 0) return;
  throw refusal(`goes by votes, and all samples of ${name} are the same text`, {
    fix: "methods that draw, at a `temperature` above 0",
  });
}

/**
 * Returns the maximum number of tokens of a sample, over the shortest and the longest prompts. A short prompt
 * leaves more room for the answer.
 */
async function mostTokens(
  jobs: readonly DrawJob[],
  setting: Parameters<typeof planJob>[1],
): Promise<number> {
  const byLength = jobs.toSorted((a, b) => a.item.prompt.length - b.item.prompt.length);
  const ends = [byLength[0], byLength.at(-1)].filter((job) => job !== undefined);
  const plans = await Promise.allSettled(ends.map((job) => planJob(job, setting)));
  const tokens = plans.flatMap((planned) => {
    if (planned.status === "rejected") return [];
    const { model, proposal } = planned.value;
    return model.tokens.generated + (proposal?.tokens.generated ?? 0);
  });
  const [first] = plans;
  if (tokens.length === 0 && first?.status === "rejected") throw first.reason;
  return Math.max(1, ...tokens);
}

function refusal(why: string, options: { fix?: string } = {}): LlamaEtsError {
  return new LlamaEtsError("ERR_INVALID_OPTION", `\`budgetTokensTotal\` ${why}`, options);
}
