/**
 * The section of one guidance step: its candidates with their values, and the rollouts behind these values.
 */
import { counted, number, percent } from "../format.js";
import { type Html, html } from "../html.js";
import type { TraceCompletion } from "../trace.js";
import { nameOf } from "./answer-colors.js";
import { rangeText } from "./rewards.js";
import { stepFacts } from "./step-facts.js";
import type { Branch, Story, StoryStep, Vote } from "./story.js";
import type { Tones } from "./tones.js";

/** Longer texts of rollouts are cut. */
const MAX_TEXT = 8000;

export function stepSection(step: StoryStep, story: Story, tones: Tones): Html {
  const { number: n, branches } = step;
  return html`<section class="step card" id="step-${n}">
<header><h3>Step ${n}</h3><p class="note number">${stepFacts(step, story.evidence)}</p></header>
${step.before !== "" && html`<details><summary>the text so far</summary><p class="text so-far">${step.before}</p></details>`}
<ol class="branches">
${branches.map((branch) => branchItem(branch, step, story, tones))}
</ol>
</section>
`;
}

function branchItem(branch: Branch, step: StoryStep, story: Story, tones: Tones): Html {
  const { block, count, weight, logEnergy, isChosen, hasEnded, completions } = branch;
  return html`<li class="branch${isChosen && " chosen"}">
<div class="weight"><span class="bar" style="width:${(100 * weight).toFixed(2)}%"></span></div>
<div class="share number">${percent(weight, 1)}${isChosen && html`<b>kept</b>`}</div>
<div class="what">
<p class="text">${block === "" ? html`<i>nothing</i>` : block}${hasEnded && html`<span class="end" title="the text ends here">■</span>`}</p>
<p class="evidence number">${count > 1 && html`<span>drawn ${count}×</span>`}<span>${story.energyName} ${logEnergy === null ? "-∞" : number(logEnergy)}</span>${tones.byAnswer ? branch.votes.map((vote) => voteChip(vote, tones)) : rewardChip(branch, tones)}</p>
${completions.length > 0 && rollouts(completions, step, tones)}
</div>
</li>
`;
}

/** Shows the rewards of a branch's rollouts, or its potential. */
function rewardChip(branch: Branch, tones: Tones): Html | false {
  const { rewards, potential } = branch;
  if (rewards === null && potential === null) return false;
  const worth =
    rewards === null ? `potential ${number(potential as number)}` : `reward ${rangeText(rewards)}`;
  return html`<span class="chip"><i class="swatch" style="background:${tones.ofBranch(branch)}"></i>${worth}</span>`;
}

function voteChip({ answer, votes, reward }: Vote, tones: Tones): Html {
  return html`<span class="chip"><i class="swatch" style="background:${tones.answers.of(answer)}"></i>${nameOf(answer)}${votes !== 1 && ` ×${number(votes)}`}<span class="reward">reward ${number(reward)}</span></span>`;
}

function rollouts(
  completions: readonly TraceCompletion[],
  { before }: StoryStep,
  tones: Tones,
): Html {
  const own = completions.every(({ rollout }) => rollout === null);
  const summary = own ? "the whole text" : counted(completions.length, "rollout");
  return html`<details><summary>${summary}</summary><ol class="rollouts">
${completions.map((completion) => {
  const { answer, reward, logRatio, logWeight, text, finishReason } = completion;
  const rest = text.startsWith(before) ? text.slice(before.length) : text;
  return html`<li><p class="evidence number"><span class="chip"><i class="swatch" style="background:${tones.ofCompletion(completion)}"></i>${tones.byAnswer ? nameOf(answer) : `reward ${number(reward)}`}</span>${tones.byAnswer && html`<span>reward ${number(reward)}</span>`}${logRatio !== 0 && html`<span>log ratio ${logRatio === null ? "-∞" : number(logRatio)}</span>`}<span>log weight ${logWeight === null ? "-∞" : number(logWeight)}</span>${finishReason !== "end" && html`<span>${endOf(finishReason)}</span>`}</p>
<p class="text">${rest.length > MAX_TEXT ? `${rest.slice(0, MAX_TEXT)} …` : rest}</p></li>
`;
})}
</ol></details>`;
}

function endOf(finishReason: string | null): string {
  if (finishReason === "answered") return "ended with its answer";
  return `ended by ${finishReason ?? "the budget"}`;
}
