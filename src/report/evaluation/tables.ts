/** The tables of an evaluation's report. */
import type { ComparedMethod, Comparison, Pair } from "../../evaluate/compare/comparison.js";
import type { Published } from "../../evaluate/compare/published.js";
import { number, percent, pValue } from "../format.js";
import { type Html, html } from "../html.js";
import { methodLabel } from "./method-marks.js";

export function methodTable({ methods }: Comparison): Html {
  const hasProposal = methods.some(({ tokens }) => tokens.proposal > 0);
  const hasRewards = methods.some(({ reward }) => reward !== null);
  const best = Math.max(...methods.map(({ accuracy }) => accuracy));
  return html`<div class="scroll"><table>
<thead><tr><th>method</th><th>accuracy</th><th>95% interval</th>${hasRewards && html`<th>reward</th><th>best seen</th>`}<th>tokens<br>generated</th>${hasProposal && html`<th>by the<br>proposal</th>`}<th>seconds</th><th>right per<br>1,000 tokens</th><th>right per<br>second</th></tr></thead>
<tbody>
${methods.map((method, i) => {
  const { accuracy, ci95, tokens, seconds } = method;
  return html`<tr><th scope="row">${methodLabel(method.name, i)}</th><td>${accuracy === best ? html`<b>${percent(accuracy, 1)}</b>` : percent(accuracy, 1)}</td><td>${percentRange(ci95)}</td>${hasRewards && rewardCells(method)}<td>${number(tokens.generated)}</td>${hasProposal && html`<td>${tokens.proposal > 0 ? number(tokens.proposal) : "–"}</td>`}<td>${number(seconds)}</td><td>${rate(method.accuracyPer1kTokens)}</td><td>${rate(method.accuracyPerSecond)}</td></tr>
`;
})}
</tbody></table></div>
<p class="note">Tokens and seconds are means a sample. ${hasRewards && "Rewards are means too: of the texts, and of the best ones that their runs saw. "}${intervalNote(methods)}</p>`;
}

function rewardCells({ reward, bestReward }: ComparedMethod): Html[] {
  return [reward, bestReward].map((mean) => html`<td>${mean === null ? "–" : number(mean)}</td>`);
}

function intervalNote(methods: readonly ComparedMethod[]): string {
  const isSingle = methods.every(({ interval }) => interval === "wilson");
  return isSingle
    ? "Intervals of accuracies are Wilson's; those of rates are the middle 95% of a bootstrap over items."
    : "Intervals are Wilson's with one sample an item; with several, and for rates, the middle 95% of a bootstrap over items, which keeps an item's samples together.";
}

function rate({ value, ci95: [low, high] }: ComparedMethod["accuracyPerSecond"]): Html {
  return html`${number(value)} <span class="range">${number(low)}–${number(high)}</span>`;
}

function percentRange([low, high]: readonly [number, number]): string {
  return `${percent(low, 1)} – ${percent(high, 1)}`;
}

/** The table of paired tests. It draws all differences and intervals on one scale. */
export function pairTable({ pairs, methods }: Comparison): Html {
  const reach = Math.max(...pairs.flatMap(({ ci95 }) => ci95.map(Math.abs)), 0.01);
  const clear = pairs.filter(({ adjusted }) => adjusted <= 0.05).length;
  const label = (name: string) =>
    methodLabel(
      name,
      methods.findIndex((method) => method.name === name),
    );
  return html`<p>${pairs.length === 1 ? "One pair" : `${pairs.length} pairs`} on the same ${number(pairs[0]?.items ?? 0)} items. After Holm's correction ${clear === 0 ? "no difference is" : clear === 1 ? "one difference is" : `${clear} differences are`} clear at 5%.</p>
<div class="scroll"><table class="pairs">
<thead><tr><th>more accurate</th><th class="left">less accurate</th><th>points</th><th class="forest-head">difference, 95%</th><th title="Items on which either is more accurate">won : lost</th><th>p</th><th>p, Holm</th></tr></thead>
<tbody>
${pairs.map(
  (
    pair,
  ) => html`<tr class="${pair.adjusted <= 0.05 && "clear"}"><th scope="row">${label(pair.better)}</th><td class="left">${label(pair.worse)}</td><td>${points(pair.difference)}</td><td>${forest(pair, reach)}</td><td>${pair.won} : ${pair.lost}</td><td>${pValue(pair.pValue)}</td><td>${pair.adjusted <= 0.05 ? html`<b>${pValue(pair.adjusted)}</b>` : pValue(pair.adjusted)}</td></tr>
`,
)}
</tbody></table></div>
<p class="note">p is McNemar's exact test of the items on which the two differ; intervals are Tango's with one sample an item; with several the paired bootstrap's, or Bonett and Price's where few items differ. Testing many pairs finds differences by chance: Holm's correction keeps the risk of any false one at 5%.</p>`;
}

/** Draws an interval as a bar and the difference as a dot, with zero in the middle. */
function forest({ difference, ci95: [low, high] }: Pair, reach: number): Html {
  const at = (value: number) => (50 + (50 * value) / reach).toFixed(1);
  const width = ((50 * (high - low)) / reach).toFixed(1);
  return html`<span class="forest" title="${points(low)} to ${points(high)} points"><i class="zero"></i><i class="interval" style="left:${at(low)}%;width:${width}%"></i><i class="difference" style="left:${at(difference)}%"></i></span>`;
}

function points(share: number): string {
  const shown = Math.abs(100 * share).toFixed(1);
  return shown === "0.0" ? shown : `${share > 0 ? "+" : "−"}${shown}`;
}

/** The table of the paper's accuracies beside the user's own. */
export function publishedTable({ methods }: Comparison, published: Published): Html {
  const { rows, model, task } = published;
  return html`<h2>Beside the paper</h2>
<p>The ETS paper (arXiv 2601.21484) published these accuracies of ${model} on ${task}. Settings differ from the paper's unless you chose them so: quantisation, prompts, grading, candidates, rollouts and tokens.</p>
<div class="scroll"><table>
<thead><tr><th>published</th><th>accuracy</th><th>time, to one sample's</th><th class="left">here</th><th>accuracy</th><th>95% interval</th></tr></thead>
<tbody>
${rows.map(({ method, label, accuracy, relativeTime }) => {
  const own = methods.filter((m) => m.method === method);
  return html`<tr><th scope="row">${label}</th><td>${accuracy === null ? "–" : percent(accuracy, 1)}</td><td>${relativeTime === null ? "–" : `${relativeTime}×`}</td><td class="left">${own.map(({ name }) => html`<div>${name}</div>`)}</td><td>${own.map((m) => html`<div>${percent(m.accuracy, 1)}</div>`)}</td><td>${own.map(({ ci95 }) => html`<div>${percentRange(ci95)}</div>`)}</td></tr>
`;
})}
</tbody></table></div>`;
}
