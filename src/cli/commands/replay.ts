import { Command } from "commander";
import pc from "picocolors";
import { percent, seconds } from "../../report/format.js";
import { stepFacts } from "../../report/run/step-facts.js";
import type { Branch, Story, StoryStep, Vote } from "../../report/run/story.js";
import type { Trace } from "../../report/trace.js";
import { printable } from "../printable.js";

export function replayCommand(): Command {
  return new Command("replay")
    .description("Print a trace of ask step by step; no model is loaded.")
    .argument("<trace>", "a trace file, as ask --trace wrote it")
    .action(replay);
}

async function replay(file: string): Promise<void> {
  const { readTrace } = await import("../../report/trace.js");
  const { tellStory } = await import("../../report/run/story.js");
  const trace = await readTrace(file);
  console.log(formatReplay(trace, tellStory(trace)));
}

function formatReplay(trace: Trace, story: Story): string {
  const { method, stopReason, answer, text, usage, agreement } = trace;
  const spent = usage && `${usage.generated} tokens in ${seconds(usage.ms, 2)}`;
  const vote = agreement === undefined ? undefined : `${percent(agreement)} agree`;
  const facts = [printable(method), vote, spent, `ended by: ${printable(stopReason)}`].filter(
    (fact) => fact,
  );
  return [
    printable(story.question.trim()),
    ...story.steps.map((step) => formatStep(step, story.energyName)),
    ...trace.warnings.map((warning) => pc.yellow(printable(warning))),
    ...(text === undefined
      ? []
      : [`${pc.bold("answer")} ${printable(answer ?? "none found")}`, printable(text.trim())]),
    pc.dim(facts.join(", ")),
  ].join("\n\n");
}

function formatStep(step: StoryStep, energyName: string): string {
  return [
    `${pc.bold(`step ${step.number}`)}  ${pc.dim(stepFacts(step))}`,
    ...step.branches.map((branch) => formatBranch(branch, energyName)),
  ].join("\n");
}

function formatBranch(branch: Branch, energyName: string): string {
  const { block, count, weight, isChosen, logEnergy, votes } = branch;
  const mark = isChosen ? pc.green("▶") : " ";
  const share = percent(weight, 1).padStart(6);
  const shown = printable(block.trim().replace(/\s*\n\s*/g, " ⏎ "));
  const energy = logEnergy === null ? "-∞" : logEnergy.toFixed(2);
  const evidence = `${count > 1 ? `${count}×, ` : ""}${energyName} ${energy}; rollouts: ${votes.map(formatVote).join(", ") || "none"}`;
  return `${mark} ${share}  ${isChosen ? pc.bold(shown) : shown}\n          ${pc.dim(evidence)}`;
}

function formatVote({ answer, votes, reward }: Vote): string {
  const times = votes === 1 ? "" : ` ×${Number(votes.toFixed(2))}`;
  return `${printable(answer ?? "no answer")}${times} (reward ${Number(reward.toPrecision(3))})`;
}
