/** One guidance step: its candidates, what each was worth, and the rollouts that say so. */
import { counted, number, percent } from "../format.js";
import { type Html, html } from "../html.js";
import type { TraceCompletion } from "../trace.js";
import { type AnswerColors, nameOf } from "./answer-colors.js";
import { stepFacts } from "./step-facts.js";
import type { Branch, StoryStep, Vote } from "./story.js";

/** Longer texts of rollouts are cut: a page of them says no more. */
const MAX_TEXT = 8000;

/** `energy` names what candidates are compared by. */
export function stepSection(step: StoryStep, colors: AnswerColors, energy: string): Html {
  const { number: n, branches } = step;
  return html`<section class="step card" id="step-${n}">
<header><h3>Step ${n}</h3><p class="note number">${stepFacts(step)}</p></header>
${step.before !== "" && html`<details><summary>the text so far</summary><p class="text so-far">${step.before}</p></details>`}
<ol class="branches">
${branches.map((branch) => branchItem(branch, step, colors, energy))}
</ol>
</section>
`;
}

function branchItem(branch: Branch, step: StoryStep, colors: AnswerColors, energy: string): Html {
  const { block, count, weight, logEnergy, isChosen, hasEnded, completions } = branch;
  return html`<li class="branch${isChosen && " chosen"}">
<div class="weight"><span class="bar" style="width:${(100 * weight).toFixed(2)}%"></span></div>
<div class="share number">${percent(weight, 1)}${isChosen && html`<b>kept</b>`}</div>
<div class="what">
<p class="text">${block === "" ? html`<i>nothing</i>` : block}${hasEnded && html`<span class="end" title="the text ends here">■</span>`}</p>
<p class="evidence number">${count > 1 && html`<span>drawn ${count}×</span>`}<span>${energy} ${logEnergy === null ? "-∞" : number(logEnergy)}</span>${branch.votes.map((vote) => voteChip(vote, colors))}</p>
${completions.length > 0 && rollouts(completions, step, colors)}
</div>
</li>
`;
}

function voteChip({ answer, votes, reward }: Vote, colors: AnswerColors): Html {
  return html`<span class="chip"><i class="swatch" style="background:${colors.of(answer)}"></i>${nameOf(answer)}${votes !== 1 && ` ×${number(votes)}`}<span class="reward">reward ${number(reward)}</span></span>`;
}

function rollouts(
  completions: readonly TraceCompletion[],
  { before }: StoryStep,
  colors: AnswerColors,
): Html {
  const own = completions.every(({ rollout }) => rollout === null);
  const summary = own ? "the whole text" : counted(completions.length, "rollout");
  return html`<details><summary>${summary}</summary><ol class="rollouts">
${completions.map((completion) => {
  const { answer, reward, logRatio, logWeight, text, finishReason } = completion;
  const rest = text.startsWith(before) ? text.slice(before.length) : text;
  return html`<li><p class="evidence number"><span class="chip"><i class="swatch" style="background:${colors.of(answer)}"></i>${nameOf(answer)}</span><span>reward ${number(reward)}</span>${logRatio !== 0 && html`<span>log ratio ${logRatio === null ? "-∞" : number(logRatio)}</span>`}<span>log weight ${logWeight === null ? "-∞" : number(logWeight)}</span>${finishReason !== "end" && html`<span>${endOf(finishReason)}</span>`}</p>
<p class="text">${rest.length > MAX_TEXT ? `${rest.slice(0, MAX_TEXT)} …` : rest}</p></li>
`;
})}
</ol></details>`;
}

function endOf(finishReason: string | null): string {
  if (finishReason === "answered") return "ended with its answer";
  return `ended by ${finishReason ?? "the budget"}`;
}
