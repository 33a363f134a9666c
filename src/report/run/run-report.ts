/** The report of one answer: how it was found, step by step. */
import path from "node:path";
import { reportTermsOf } from "../../methods/by-name.js";
import { counted, number, percent, seconds } from "../format.js";
import { type Html, html } from "../html.js";
import { renderPage } from "../page.js";
import type { Trace } from "../trace.js";
import { AnswerColors, nameOf } from "./answer-colors.js";
import { drawPath, drawSampleSizes, drawTokens, drawVotes } from "./figures.js";
import { stepSection } from "./step-section.js";
import { type Story, tellStory } from "./story.js";
import { RUN_STYLE } from "./style.js";

/** The page, complete in itself. */
export async function runReport(trace: Trace): Promise<string> {
  const story = tellStory(trace);
  const colors = new AnswerColors(story.answers);
  const body = html`<p class="kicker">One answer by ${trace.method}</p>
<h1>How the answer was found</h1>
<p class="question">${promptMarkup(story.question)}</p>
${answerCard(trace, story)}
${trace.warnings.map((warning) => html`<p class="warning">${warning}</p>`)}
${facts(trace, story)}
${story.steps.length > 0 && (await overview(story, colors))}
${
  story.steps.length > 0 &&
  html`<h2>${story.steps.length > 1 ? "Step by step" : "The step"}</h2>
<p class="note">${legendOfSteps(trace)}</p>`
}
${story.steps.map((step) => stepSection(step, colors, story.energyName))}
${settings(trace)}
<footer>${footer(trace)}</footer>`;
  return renderPage({ title: `${titleOf(trace)} · llama-ets`, body, style: RUN_STYLE });
}

function titleOf({ answer, method }: Trace): string {
  return answer ? `${nameOf(answer)}, by ${method}` : `An answer by ${method}`;
}

/** Template markers like <|im_start|> are kept, but shown faintly. */
function promptMarkup(prompt: string): Html[] {
  return prompt
    .split(/(<\|[^|\n]{1,60}\|>)/)
    .map((part, i) => (i % 2 === 1 ? html`<span class="marker">${part}</span>` : html`${part}`));
}

function answerCard({ answer, agreement, stopReason, text }: Trace, { segments }: Story): Html {
  const ended = text === undefined ? "so far" : "answer";
  return html`<section class="answer card">
<div><div class="label">${ended}</div>
<div class="value">${answer ?? "none"}</div>
${agreement !== undefined && html`<div class="meter"><span style="width:${(100 * agreement).toFixed(1)}%"></span></div><div class="label number">${percent(agreement)} of the last votes agree</div>`}
${stopReason !== "end" && html`<div class="label">ended by: ${stopReason}</div>`}</div>
<p class="text">${segments.map(({ text, step }) =>
    step === undefined
      ? text
      : html`<span class="segment">${text}<a href="#step-${step}" title="drawn at step ${step}">${step}</a></span>`,
  )}</p>
</section>`;
}

function facts(trace: Trace, { steps }: Story): Html {
  const { settings = {}, usage, proposalUsage, model } = trace;
  const hasRollouts = reportTermsOf(trace.method).shows.includes("rollouts");
  const shown: [string, string | false][] = [
    ["model", model !== undefined && path.basename(model.path, ".gguf")],
    ["steps", steps.length > 0 && number(steps.length)],
    ["candidates", steps.length > 0 && [...new Set(steps.map((s) => s.candidates))].join(" → ")],
    ["rollouts of each", steps.length > 0 && hasRollouts && text(settings.rollouts)],
    ["λ", steps.length > 0 && hasRollouts && text(settings.lambda)],
    ["reward", steps.length > 0 && text(settings.reward)],
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

async function overview(story: Story, colors: AnswerColors): Promise<Html> {
  const shown = story.answers.slice(0, 7);
  const several = story.steps.length > 1;
  return html`<h2>The way there</h2>
<p class="note">${legendOfPath(story)}</p>
<div class="path card scroll">${await drawPath(story, colors)}</div>
<ul class="legend">${shown.map((answer) => html`<li><i class="swatch" style="background:${colors.of(answer)}"></i>${nameOf(answer)}</li>`)}${story.answers.length > shown.length && html`<li class="note">and ${counted(story.answers.length - shown.length, "other")}</li>`}</ul>
<div class="figures">
<figure><h3>What the rollouts came to</h3>${await drawVotes(story, colors)}<figcaption>Votes of each step's rollouts, by answer.</figcaption></figure>
${
  several &&
  html`<figure><h3>Spread of the weights</h3>${await drawSampleSizes(story)}<figcaption>Effective sample size of the candidates' weights; the pale bar is their number. Near 1, the step was decided by one candidate; near the top, the reward saw no difference.</figcaption></figure>
<figure><h3>What it cost</h3>${await drawTokens(story)}<figcaption>Tokens that each step generated, candidates and rollouts together.</figcaption></figure>`
}
</div>`;
}

function legendOfPath({ isGuided }: Story): string {
  return isGuided
    ? "Each circle is a candidate, identical ones together: its size is the probability of being kept, its colour the answer that most of its rollouts came to. The ring marks the one that was kept."
    : "Each circle is a text, identical ones together: its size is its weight, its colour the answer it came to. The ring marks the one that was taken.";
}

function legendOfSteps({ method }: Trace): string {
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
