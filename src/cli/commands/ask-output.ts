/** Formats the output of `ask` for people: its plan, the answer, and the evidence for it. */
import path from "node:path";
import pc from "picocolors";
import type { Model, ModelDescription } from "../../engine/engine.js";
import { reportTermsOf } from "../../methods/by-name.js";
import type { Result } from "../../methods/result.js";
import type { Step } from "../../methods/step.js";
import type { AutoReason, ModelPlan, Plan } from "../../planning/run-plan.js";
import { counted, number, percent, seconds } from "../../report/format.js";
import { lawNote, natsText, placeOf, rangeOf, rangeText } from "../../report/run/rewards.js";
import { asFlags } from "../exit.js";
import { bytes, rate } from "../format.js";
import { printable } from "../printable.js";

/** The number of last steps whose rewards are shown. */
const MAX_STEPS = 4;

export function formatAnswer(
  result: Result,
  run: { loadMs: number; model: Model; showsReasoning: boolean },
): string {
  const rows = [
    ["thoughts", formatThoughts(result)],
    ["calls", formatCalls(result)],
    ["answer", result.evidence.answers ? formatVote(result) : ""],
    ["reward", result.evidence.rewards ? formatReward(result) : ""],
    ["", result.evidence.rewards ? formatRewards(result) : ""],
    ["guidance", formatGuidance(result)],
    ["why", formatReason(result.auto)],
    ["tokens", formatTokens(result)],
    ["time", formatTime(result, run)],
  ];
  const notes = rows
    .filter(([, value]) => value !== "")
    .map(([name = "", value = ""]) => `  ${pc.dim(name.padEnd(9))} ${value}`);
  const { reasoning = "", settings } = result;
  const isShown = reasoning !== "" && (run.showsReasoning || settings.reasoning?.show === true);
  const thoughts = isShown ? `${pc.dim(reasoning)}\n\n` : "";
  return `${thoughts}${result.text.trim()}\n\n${notes.join("\n")}`;
}

/** Describes how long the model thought, and what ended the thoughts. */
function formatThoughts({ thoughts }: Result): string {
  if (thoughts === undefined) return "";
  const { tokens, ended, isOpen } = thoughts;
  const how = ended === "loop" ? "ended: they repeated themselves" : "ended at their budget";
  const note = ended === null ? isOpen && "not finished" : how;
  return [counted(tokens, "token"), note].filter((part) => part).join(", ");
}

function formatCalls({ toolCalls = [] }: Result): string {
  const calls = toolCalls.map(
    ({ name, arguments: values }) => `${name}(${JSON.stringify(values)})`,
  );
  return printable(calls.join(", "));
}

function formatVote({ answer, agreement, steps, settings }: Result): string {
  const pool = steps.at(-1)?.candidates.flatMap(({ completions }) => completions) ?? [];
  const shown = answer === null ? pc.yellow("none found") : pc.bold(answer);
  if (pool.length === 0) return shown;
  const votes = pool.reduce((sum, { votes }) => sum + votes, 0);
  const what = answer === null ? "give none" : "agree";
  const whose =
    settings.votes === "probability" ? `the probability of ${votes} texts` : `${votes} votes`;
  return `${shown}   ${percent(agreement)} of ${whose} ${what}`;
}

/** Formats the reward of the text, and the best reward that the run has seen. */
function formatReward(result: Result): string {
  const { reward, best, settings } = result;
  const earned = reward === null ? pc.yellow("none") : pc.bold(number(reward));
  const seen = best && `best seen ${number(best.reward)} (${placeOf(best)})`;
  return [`${earned} of ${settings.reward}`, seen].filter((part) => part).join("; ");
}

/** Formats the rewards of each step's finished texts, and the divergence from p_ref. */
function formatRewards({ steps, divergence }: Result): string {
  const ranges = steps.map(({ candidates }) =>
    rangeOf(candidates.flatMap(({ completions }) => completions)),
  );
  const shown = ranges.slice(-MAX_STEPS).map((range) => (range === null ? "–" : rangeText(range)));
  const all = [...(ranges.length > MAX_STEPS ? ["…"] : []), ...shown].join(" → ");
  const spent = divergence !== null && `${natsText(divergence)} from p_ref, by the weights`;
  return [ranges.length > 1 && `by step ${all}`, spent].filter((part) => part).join("; ");
}

function formatGuidance(result: Result): string {
  const { method, steps, settings, acceptanceRate } = result;
  const last = steps.at(-1);
  if (last === undefined) return method;
  const { rollouts, adaptive, potential } = settings;
  const candidates =
    adaptive === null
      ? settings.candidates
      : steps.map((step) => step.candidates.length).join(" → ");
  const ess = steps.map((step) => step.ess.toFixed(1)).join(" → ");
  const drawn = `${steps.length} step${steps.length > 1 ? "s" : ""} of ${candidates} candidates`;
  const { shows } = reportTermsOf(method);
  const how = settings.ratio === "exact" ? method : `${method} (${settings.ratio} ratio)`;
  const drawsRollouts = shows.includes("rollouts") && potential === undefined;
  const each = drawsRollouts ? ` × ${counted(rollouts, "rollout")}` : "";
  const evidence = [
    potential !== undefined && `by the potential ${potential}`,
    shows.includes("ess") && `ESS ${ess}`,
    acceptanceRate !== undefined && `${percent(acceptanceRate)} of the proposals accepted`,
    lawNote(result),
  ].filter((part) => part !== false && part !== undefined);
  return [`${how}, ${drawn}${each}`, ...evidence].join("; ");
}

/** Formats the reason why `auto` chose the method. */
function formatReason(reason: AutoReason | undefined): string {
  return reason === undefined ? "" : `${asFlags(reason.because)} (${reason.evidence})`;
}

function formatTokens({ usage, proposalUsage, steps, stopReason }: Result): string {
  const cut = stopReason === "length" || stopReason === "budget";
  const note = cut ? pc.yellow(`   (cut off: ${stopReason})`) : "";
  const own = `${usage.generated} generated, ${usage.prefilled} prefilled, ${usage.decoded} decoded`;
  if (proposalUsage === undefined) return `${own}${note}`;
  return `${own}, ${usage.scored} scored; proposal ${proposalUsage.generated}, ${formatWeights(steps)}${note}`;
}

/** Formats how reliable the weights of a proposal's rollouts are, step by step. */
function formatWeights(steps: readonly Step[]): string {
  const listed = (of: (step: Step) => number | null | undefined, digits: number) =>
    steps.map((step) => of(step)?.toFixed(digits) ?? "–").join(" → ");
  const ess = `ESS of its rollouts ${listed(({ rolloutEss }) => rolloutEss, 1)}`;
  const khat = `k̂ ${listed(({ khat }) => khat, 2)}`;
  const isResampled = steps.some(({ oneRatioEss }) => oneRatioEss !== undefined);
  const once = `with one ratio each ${listed(({ oneRatioEss }) => oneRatioEss, 1)}`;
  return [ess, ...(isResampled ? [once] : []), khat].join(", ");
}

function formatTime({ usage, model }: Result, run: { loadMs: number; model: Model }): string {
  const { threads } = run.model;
  const where = computersOf(run.model.describe()) ?? `CPU, ${counted(threads, "thread")}`;
  const name = path.basename(model.path, ".gguf");
  return `${seconds(usage.ms, 2)} (${rate(usage)}) + ${seconds(run.loadMs, 2)} loading ${name}; ${where}`;
}

/** Returns the GPU and the RPC servers that compute; undefined on this machine's CPU. */
function computersOf({ engine, place, devices }: ModelDescription): string | undefined {
  if (place === "cpu") return undefined;
  const lent = devices.filter(({ name }) => /^RPC\d+$/.test(name));
  const servers = lent.map(({ description }) => `RPC ${description}`);
  return [...(engine.gpu ? [engine.gpu] : []), ...servers].join(", ");
}

/** Returns a line about the results of an interrupted run. */
export function formatInterrupted(steps: readonly Step[], trace: string | undefined): string {
  const last = steps.at(-1);
  const kept = trace === undefined ? "" : ` The steps so far are in ${trace}.`;
  if (last === undefined) return `Interrupted before the first step was done.${kept}`;
  const pool = last.candidates.flatMap(({ completions }) => completions);
  if (pool.length === 0) return `Interrupted after step ${steps.length}; no text has ended.${kept}`;
  const best = pool.reduce((a, b) => (b.reward > a.reward ? b : a));
  return `Interrupted after step ${steps.length}.${kept} Best text so far:\n${best.text.trim()}`;
}

/** Returns the plan that `ask -v` shows before work starts. */
export function formatPlan(plan: Plan): string {
  const { method, candidates, rollouts, steps, blockTokens, promptTokens, maxTokens } = plan;
  const rows: [string, string][] = [
    [
      "plan",
      `${method}: ${counted(steps, "step")} of ${counted(blockTokens, "token")}, ${counted(candidates, "candidate")} × ${counted(rollouts, "rollout")}; ${counted(promptTokens, "prompt token")}, answer up to ${number(maxTokens)}`,
    ],
    ...rowsOf(plan.model, ""),
    ...(plan.proposal ? rowsOf(plan.proposal, "proposal's ") : []),
    [
      "peak",
      `${bytes(plan.peakBytes)} expected; ${bytes(plan.freeBytes)} free where the context is made`,
    ],
    ...(plan.auto ? [["why", formatReason(plan.auto)] satisfies [string, string]] : []),
  ];
  return rows.map(([name, value]) => `  ${pc.dim(name.padEnd(18))} ${value}`).join("\n");
}

function rowsOf(model: ModelPlan, whose: string): [string, string][] {
  const { cells, sequences, batchTokens, outputs, kvType, parallel, waves } = model;
  const { weights, vocabulary, kvCache, logits, compute } = model.memory;
  const { prefilled, generated, scored } = model.tokens;
  return [
    [
      `${whose}context`,
      `${number(cells)} cells (${kvType}, unified), ${counted(sequences, "sequence")}; batches of ${number(batchTokens)} tokens, ${number(outputs)} outputs`,
    ],
    [`${whose}draws`, `${number(parallel)} side by side, ${counted(waves, "wave")} a step`],
    [
      `${whose}memory`,
      `weights ${bytes(weights)}, vocabulary ${bytes(vocabulary)}, KV cache ${bytes(kvCache)}, logits ${bytes(logits)}, compute ${bytes(compute)}`,
    ],
    [
      `${whose}tokens`,
      `at most ${number(generated)} generated, ${number(prefilled)} prefilled, ${number(scored)} scored`,
    ],
  ];
}
