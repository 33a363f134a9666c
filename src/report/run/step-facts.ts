import { counted, percent, seconds } from "../format.js";
import { natsText, rangeText } from "./rewards.js";
import type { Story, StoryStep } from "./story.js";

/** Describes the measurements of a step in words. */
export function stepFacts(step: StoryStep, evidence: Story["evidence"]): string {
  const { candidates, branches, ess, agreement, rolloutEss, khat } = step;
  const { acceptanceRate, logNormaliser, rewards, divergence, generated, ms } = step;
  const facts = [
    counted(candidates, "candidate"),
    branches.length < candidates && `${branches.length} different`,
    `ESS ${ess.toFixed(1)}`,
    evidence.answers && `${percent(agreement)} agree`,
    evidence.rewards && rewards !== null && `reward ${rangeText(rewards)}`,
    evidence.rewards && divergence !== null && `divergence ${natsText(divergence)}`,
    rolloutEss !== undefined && `rollouts' ESS ${rolloutEss.toFixed(1)}`,
    typeof khat === "number" && `k̂ ${khat.toFixed(2)}`,
    acceptanceRate !== undefined && `${percent(acceptanceRate)} accepted`,
    typeof logNormaliser === "number" && `log normaliser ${logNormaliser.toFixed(2)}`,
    counted(generated, "token"),
    seconds(ms),
  ];
  return facts.filter((fact) => fact !== false).join(" · ");
}
