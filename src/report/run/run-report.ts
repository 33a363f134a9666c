/** The report of one answer: how it was found, step by step. */
import path from "node:path";
import { reportTermsOf } from "../../methods/by-name.js";
import { counted, number, percent, seconds } from "../format.js";
import { type Html, html } from "../html.js";
import { renderPage } from "../page.js";
import type { Trace } from "../trace.js";
import { nameOf } from "./answer-colors.js";
import { drawPath, drawRewards, drawSampleSizes, drawTokens, drawVotes } from "./figures.js";
import { lawNote, natsText, placeOf } from "./rewards.js";
import { stepSection } from "./step-section.js";
import { type Story, tellStory } from "./story.js";
import { RUN_STYLE } from "./style.js";
import { Tones } from "./tones.js";

/** Returns the page, which loads nothing else. */
export async function runReport(trace: Trace): Promise<string> {
  const story = tellStory(trace);
  const tones = new Tones(story);
  const body = html`<p class="kicker">One ${tones.byAnswer ? "answer" : "text"} by ${trace.method}</p>
<h1>How the ${tones.byAnswer ? "answer" : "text"} was found</h1>
<p class="question">${promptMarkup(story.question)}</p>
${answerCard(trace, story)}
${trace.warnings.map((warning) => html`<p class="warning">${warning}</p>`)}
${facts(trace, story)}
${story.steps.length > 0 && (await overview(story, tones))}
${
  story.steps.length > 0 &&
  html`<h2>${story.steps.length > 1 ? "Step by step" : "The step"}</h2>
<p class="note">${legendOfSteps(trace)}</p>`
}
${story.steps.map((step) => stepSection(step, story, tones))}
${settings(trace)}
<footer>${footer(trace)}</footer>`;
  return renderPage({ title: `${titleOf(trace, story)} · llama-ets`, body, style: RUN_STYLE });
}

function titleOf({ answer, method }: Trace, { evidence }: Story): string {
  if (!evidence.answers) return `A text by ${method}`;
  return answer ? `${nameOf(answer)}, by ${method}` : `An answer by ${method}`;
}

/** Writes a prompt. Template markers like <|im_start|> are shown faintly. */
function promptMarkup(prompt: string): Html[] {
  return prompt
    .split(/(<\|[^|\n]{1,60}\|>)/)
    .map((part, i) => (i % 2 === 1 ? html`<span class="marker">${part}</span>` : html`${part}`));
}

function answerCard(trace: Trace, story: Story): Html {
  const { segments } = story;
  const note = lawNote(trace);
  return html`<section class="answer card">
<div>${story.evidence.answers && answerValue(trace)}
${story.evidence.rewards && rewardValue(trace, story)}
${note !== undefined && html`<div class="label">${note}</div>`}
${trace.stopReason !== "end" && html`<div class="label">ended by: ${trace.stopReason}</div>`}</div>
<p class="text">${segments.map(({ text, step }) =>
    step === undefined
      ? text
      : html`<span class="segment">${text}<a href="#step-${step}" title="drawn at step ${step}">${step}</a></span>`,
  )}</p>
</section>`;
}

function answerValue({ answer, agreement, text }: Trace): Html {
  return html`<div class="label">${text === undefined ? "so far" : "answer"}</div>
<div class="value">${answer ?? "none"}</div>
${agreement !== undefined && html`<div class="meter"><span style="width:${(100 * agreement).toFixed(1)}%"></span></div><div class="label number">${percent(agreement)} of the last votes agree</div>`}`;
}

/** Shows the reward of the text, and the best text of the run with the place where it was seen. */
function rewardValue(trace: Trace, { evidence }: Story): Html {
  const { reward, best, divergence } = trace;
  return html`<div class="label">reward</div>
<div class="${evidence.answers ? "reward" : "value"} number">${typeof reward === "number" ? number(reward) : "none"}</div>
${best && html`<div class="label number">best seen ${number(best.reward)}, <a href="#step-${best.step + 1}">${placeOf(best)}</a></div>`}
${typeof divergence === "number" && html`<div class="label number">${natsText(divergence)} from p_ref, by the weights</div>`}`;
}

function facts(trace: Trace, { steps }: Story): Html {
  const { settings = {}, usage, proposalUsage, model } = trace;
  const potential = text(settings.potential);
  const hasRollouts = reportTermsOf(trace.method).shows.includes("rollouts") && potential === false;
  const shown: [string, string | false][] = [
    ["model", model !== undefined && path.basename(model.path, ".gguf")],
    ["steps", steps.length > 0 && number(steps.length)],
    ["candidates", steps.length > 0 && [...new Set(steps.map((s) => s.candidates))].join(" → ")],
    ["rollouts of each", steps.length > 0 && hasRollouts && text(settings.rollouts)],
    ["λ", steps.length > 0 && (hasRollouts || potential !== false) && text(settings.lambda)],
    ["reward", steps.length > 0 && text(settings.reward)],
    ["potential", steps.length > 0 && potential],
    ["tokens generated", usage !== undefined && number(usage.generated)],
    ["tokens decoded", usage !== undefined && number(usage.decoded)],
    ["by the proposal", proposalUsage !== undefined && number(proposalUsage.generated)],
    ["time", usage !== undefined && seconds(usage.ms)],
    ["seed", text(trace.seed)],
  ];
  return html`<dl class="facts">${shown.map(
    ([name, value]) => value !== false && html`<div><dt>${name}</dt><dd>${value}</dd></div>`,
  )}</dl>`;
}

function text(value: unknown): string | false {
  if (typeof value === "number") return number(value);
  return typeof value === "string" && value;
}

async function overview(story: Story, tones: Tones): Promise<Html> {
  const several = story.steps.length > 1;
  return html`<h2>The way there</h2>
<p class="note">${legendOfPath(story, tones)}</p>
<div class="path card scroll">${await drawPath(story, tones)}</div>
${tones.byAnswer ? answerLegend(story, tones) : rewardLegend(tones)}
<div class="figures">
${story.evidence.answers && html`<figure><h3>What the rollouts came to</h3>${await drawVotes(story, tones.answers)}<figcaption>Votes of each step's rollouts, by answer.</figcaption></figure>`}
${story.evidence.rewards && html`<figure><h3>What the texts earned</h3>${await drawRewards(story, tones)}<figcaption>Rewards of each step's finished texts, rollouts included: from the least to the greatest, the dot their mean.</figcaption></figure>`}
${
  several &&
  html`<figure><h3>Spread of the weights</h3>${await drawSampleSizes(story)}<figcaption>Effective sample size of the candidates' weights; the pale bar is their number. Near 1, the step was decided by one candidate; near the top, the reward saw no difference.</figcaption></figure>
<figure><h3>What it cost</h3>${await drawTokens(story)}<figcaption>Tokens that each step generated, candidates and rollouts together.</figcaption></figure>`
}
</div>`;
}

function answerLegend({ answers }: Story, tones: Tones): Html {
  const shown = answers.slice(0, 7);
  return html`<ul class="legend">${shown.map((answer) => html`<li><i class="swatch" style="background:${tones.answers.of(answer)}"></i>${nameOf(answer)}</li>`)}${answers.length > shown.length && html`<li class="note">and ${counted(answers.length - shown.length, "other")}</li>`}</ul>`;
}

function rewardLegend({ rewards }: Tones): Html {
  const { colors, min, max } = rewards;
  const scale = colors.map((color) => html`<i class="swatch" style="background:${color}"></i>`);
  return html`<p class="scale number">reward ${min < max && number(min)} ${scale} ${number(max)}</p>`;
}

function legendOfPath({ isGuided, energyName }: Story, { byAnswer }: Tones): string {
  const guess = energyName === "log ψ" ? ", or its potential while it is unfinished" : "";
  const color = byAnswer
    ? "the answer that most of its rollouts came to"
    : `what its rollouts earned${guess}`;
  const own = byAnswer ? "the answer it came to" : `its reward${guess}`;
  return isGuided
    ? `Each circle is a candidate, identical ones together: its size is the probability of being kept, its colour ${color}. The ring marks the one that was kept.`
    : `Each circle is a text, identical ones together: its size is its weight, its colour ${own}. The ring marks the one that was taken.`;
}

function legendOfSteps({ method, settings }: Trace): string {
  if (settings?.potential !== undefined) {
    return "Candidates by weight. An unfinished one weighs by ψ = exp(φ / λ), with φ the potential; a finished one by exp(reward / λ). ■ marks the end of a text.";
  }
  return reportTermsOf(method).shows.includes("rollouts")
    ? "Candidates by weight, the probability of being kept: Ê / Σ Ê, with Ê the mean of exp(reward / λ) over the rollouts (under ETS-IS, weighted). ■ marks the end of a text."
    : "The texts that were drawn, the one that was taken first. ■ marks the end of a text.";
}

function settings({ settings, plan }: Trace): Html {
  const rows = (record: Record<string, unknown> = {}) =>
    Object.entries(record).map(
      ([name, value]) =>
        html`<tr><td>${name}</td><td>${typeof value === "string" ? value : JSON.stringify(value)}</td></tr>`,
    );
  return html`${settings && html`<h2>Settings</h2><table class="settings"><tbody>${rows(settings)}</tbody></table>`}
${plan && html`<details><summary>The plan before the first token</summary><table class="settings"><tbody>${rows(plan)}</tbody></table></details>`}`;
}

function footer({ versions, model, seed }: Trace): string {
  const names: Record<string, string> = {
    llamaEts: "llama-ets",
    llamaCpp: "llama.cpp",
    node: "Node",
  };
  const used = Object.entries(versions).map(
    ([name, version]) => `${names[name] ?? name} ${version}`,
  );
  const of = model && `${model.description}, ${number(model.parameters / 1e6)}M parameters`;
  return [...used, of, seed !== undefined && `seed ${seed}`].filter((part) => part).join(" · ");
}
