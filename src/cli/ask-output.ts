/** What `ask` shows a person: the answer, and the evidence for it. */
import path from "node:path";
import pc from "picocolors";
import type { Model } from "../engine/local/model.js";
import type { Result } from "../methods/result.js";
import type { Step } from "../methods/step.js";

export function formatAnswer(result: Result, run: { loadMs: number; model: Model }): string {
  const rows = [
    ["answer", formatVote(result)],
    ["guidance", formatGuidance(result)],
    ["tokens", formatTokens(result)],
    ["time", formatTime(result, run)],
  ];
  const notes = rows
    .filter(([, value]) => value !== "")
    .map(([name = "", value = ""]) => `  ${pc.dim(name.padEnd(9))} ${value}`);
  return `${result.text.trim()}\n\n${notes.join("\n")}`;
}

function formatVote({ answer, agreement, steps }: Result): string {
  const pool = steps.at(-1)?.candidates.flatMap(({ completions }) => completions) ?? [];
  const shown = answer === null ? pc.yellow("none found") : pc.bold(answer);
  if (pool.length === 0) return shown;
  const votes = pool.reduce((sum, { votes }) => sum + votes, 0);
  const what = answer === null ? "give none" : "agree";
  return `${shown}   ${percent(agreement)} of ${votes} votes ${what}`;
}

function formatGuidance({ method, steps, settings, acceptanceRate }: Result): string {
  const last = steps.at(-1);
  if (last === undefined) return method;
  const { rollouts, adaptive } = settings;
  const candidates =
    adaptive === null
      ? settings.candidates
      : steps.map((step) => step.candidates.length).join(" → ");
  const ess = steps.map((step) => step.ess.toFixed(1)).join(" → ");
  const drawn = `${steps.length} step${steps.length > 1 ? "s" : ""} of ${candidates} candidates`;
  if (method === "particle") return `${method}, ${drawn}; ESS ${ess}`;
  if (acceptanceRate !== undefined) {
    return `${method}, ${drawn}; ${percent(acceptanceRate)} of the proposals accepted`;
  }
  if (!method.startsWith("ets")) return `${method}, ${drawn}`;
  const how = settings.ratio === "exact" ? method : `${method} (${settings.ratio} ratio)`;
  return `${how}, ${drawn} × ${rollouts} rollout${rollouts > 1 ? "s" : ""}; ESS ${ess}`;
}

function formatTokens({ usage, proposalUsage, steps, stopReason }: Result): string {
  const cut = stopReason === "length" || stopReason === "budget";
  const note = cut ? pc.yellow(`   (cut off: ${stopReason})`) : "";
  const own = `${usage.generated} generated, ${usage.prefilled} prefilled, ${usage.decoded} decoded`;
  if (proposalUsage === undefined) return `${own}${note}`;
  const ess = steps.map(({ rolloutEss }) => rolloutEss?.toFixed(1) ?? "–").join(" → ");
  return `${own}, ${usage.scored} scored; proposal ${proposalUsage.generated}, ESS of its rollouts ${ess}${note}`;
}

function formatTime({ usage, model }: Result, run: { loadMs: number; model: Model }): string {
  const rate = Math.round((usage.generated / usage.ms) * 1000);
  const { engine, threads } = run.model;
  const where =
    engine.gpu === false ? `CPU, ${threads} thread${threads > 1 ? "s" : ""}` : engine.gpu;
  const name = path.basename(model.path, ".gguf");
  return `${seconds(usage.ms)} (${rate} tokens/s) + ${seconds(run.loadMs)} loading ${name}; ${where}`;
}

/** One line on what an interrupted run had found. */
export function formatInterrupted(steps: readonly Step[], trace: string | undefined): string {
  const last = steps.at(-1);
  const kept = trace === undefined ? "" : ` The steps so far are in ${trace}.`;
  if (last === undefined) return `Interrupted before the first step was done.${kept}`;
  const pool = last.candidates.flatMap(({ completions }) => completions);
  const best = pool.reduce((a, b) => (b.reward > a.reward ? b : a));
  return `Interrupted after step ${steps.length}.${kept} Best text so far:\n${best.text.trim()}`;
}

function percent(share: number): string {
  return `${Math.round(share * 100)}%`;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`;
}
