import type { Command } from "commander";
import pc from "picocolors";
import { number, percent, seconds } from "../../report/format.js";
import { lawNote, natsText, placeOf, rangeText } from "../../report/run/rewards.js";
import { stepFacts } from "../../report/run/step-facts.js";
import type { Branch, Story, StoryStep, Vote } from "../../report/run/story.js";
import type { Trace } from "../../report/trace.js";
import { printable } from "../printable.js";

export function replayCommand(command: Command): Command {
  return command.argument("<trace>", "a trace file, as ask --trace wrote it").action(replay);
}

async function replay(file: string): Promise<void> {
  const { readTrace } = await import("../../report/trace.js");
  const { tellStory } = await import("../../report/run/story.js");
  const trace = await readTrace(file);
  console.log(formatReplay(trace, tellStory(trace)));
}

function formatReplay(trace: Trace, story: Story): string {
  const { method, stopReason, answer, text, usage, agreement, reward, best, divergence } = trace;
  const { answers, rewards } = story.evidence;
  const spent = usage && `${usage.generated} tokens in ${seconds(usage.ms, 2)}`;
  const vote = agreement !== undefined && answers && `${percent(agreement)} agree`;
  const away = rewards && typeof divergence === "number" && `${natsText(divergence)} from p_ref`;
  const seen = best && `best seen ${number(best.reward)} (${placeOf(best)})`;
  const earned = rewards && [
    `${pc.bold("reward")} ${typeof reward === "number" ? number(reward) : "none"}`,
    ...(seen ? [seen] : []),
  ];
  const facts = [
    printable(method),
    lawNote(trace),
    vote,
    away,
    spent,
    `ended by: ${printable(stopReason)}`,
  ].filter((fact) => fact);
  return [
    printable(story.question.trim()),
    ...story.steps.map((step) => formatStep(step, story)),
    ...trace.warnings.map((warning) => pc.yellow(printable(warning))),
    ...(text === undefined
      ? []
      : [
          ...(answers ? [`${pc.bold("answer")} ${printable(answer ?? "none found")}`] : []),
          ...(earned ? [earned.join("; ")] : []),
          printable(text.trim()),
        ]),
    pc.dim(facts.join(", ")),
  ].join("\n\n");
}

function formatStep(step: StoryStep, story: Story): string {
  return [
    `${pc.bold(`step ${step.number}`)}  ${pc.dim(stepFacts(step, story.evidence))}`,
    ...step.branches.map((branch) => formatBranch(branch, story)),
  ].join("\n");
}

function formatBranch(branch: Branch, { energyName, evidence }: Story): string {
  const { block, count, weight, isChosen, logEnergy } = branch;
  const mark = isChosen ? pc.green("▶") : " ";
  const share = percent(weight, 1).padStart(6);
  const shown = printable(block.trim().replace(/\s*\n\s*/g, " ⏎ "));
  const energy = logEnergy === null ? "-∞" : logEnergy.toFixed(2);
  const basis = `${count > 1 ? `${count}×, ` : ""}${energyName} ${energy}; ${evidence.answers ? formatVotes(branch) : formatWorth(branch)}`;
  return `${mark} ${share}  ${isChosen ? pc.bold(shown) : shown}\n          ${pc.dim(basis)}`;
}

function formatVotes({ votes }: Branch): string {
  return `rollouts: ${votes.map(formatVote).join(", ") || "none"}`;
}

function formatWorth({ rewards, potential, completions }: Branch): string {
  if (rewards !== null) return `reward ${rangeText(rewards)}`;
  if (potential !== null) return `potential ${number(potential)}`;
  return completions.length === 0 ? "no rollouts" : "";
}

function formatVote({ answer, votes, reward }: Vote): string {
  const times = votes === 1 ? "" : ` ×${Number(votes.toFixed(2))}`;
  return `${printable(answer ?? "no answer")}${times} (reward ${Number(reward.toPrecision(3))})`;
}
