/** The report of a sweep: accuracies over the grid, and the best settings on items that didn't choose them. */
import type { HalfScore, SweepSetting } from "../../evaluate/sweep/best-settings.js";
import type { SweepResult } from "../../evaluate/sweep/run-sweep.js";
import { number, percent } from "../format.js";
import { type Html, html } from "../html.js";
import { renderPage } from "../page.js";

const STYLE = `
h3 { margin: 26px 0 6px }
.scroll table.grid { width: auto; min-width: 0 }
.grid caption { text-align: left; color: var(--dim); padding: 8px 0 2px }
.grid td { text-align: center; min-width: 5.5em; print-color-adjust: exact }
.grid td small { display: block; opacity: .85; font-size: .76em }
.grid th { white-space: nowrap }
.grid thead th + th { text-align: center }
`;

/** One page for all tasks and models of a sweep, complete in itself. */
export function sweepReport(results: readonly SweepResult[]): string {
  const tasks = [...new Set(results.map(({ task }) => task))].join(", ");
  const title = `A sweep of ${results[0]?.settings.length ?? 0} settings on ${tasks}`;
  return renderPage({
    title,
    style: STYLE,
    body: html`<h1>${title}</h1>
${results.map(section)}`,
  });
}

function section({ task, model, settings, best }: SweepResult): Html {
  const methods = [...new Set(settings.map(({ method }) => method))];
  const shares = settings.flatMap(({ all }) => all?.accuracy ?? []);
  const range = [Math.min(...shares), Math.max(...shares)] as const;
  return html`<h2>${task}, ${model}</h2>
<p>A setting is chosen on half of the items, those that a hash of their names picks, and judged on the other half. Where it was chosen its accuracy is flattered by the choice.</p>
<div class="scroll"><table>
<thead><tr><th>best setting</th><th>where chosen</th><th>on the other half</th><th>95% interval</th><th>items</th></tr></thead>
<tbody>${best.map(({ name, chosenBy, heldOut }) => html`<tr><th scope="row">${name}</th><td>${percent(chosenBy.accuracy, 1)}</td><td><b>${percent(heldOut.accuracy, 1)}</b></td><td>${interval(heldOut)}</td><td>${heldOut.items}</td></tr>`)}</tbody>
</table></div>
<p class="note">The darker a cell, the more accurate: one scale for all methods.</p>
${methods.map((method) =>
  grids(
    method,
    settings.filter((setting) => setting.method === method),
    range,
  ),
)}`;
}

/** A method's grid: a table of its first two options for each combination of the others. */
function grids(method: string, settings: readonly SweepSetting[], range: Range): Html {
  const options = Object.keys(settings[0]?.varied ?? {});
  const [down, across, ...others] = options;
  const groups = new Map<string, SweepSetting[]>();
  for (const setting of settings) {
    const name = others.map((option) => `${option} ${setting.varied[option]}`).join(", ");
    groups.set(name, [...(groups.get(name) ?? []), setting]);
  }
  return html`<h3>${method}</h3>
${[...groups].map(([name, own]) => {
  const rows = valuesOf(own, down);
  const columns = valuesOf(own, across);
  return html`<div class="scroll"><table class="grid">
<caption>${name}</caption>
<thead><tr><th>${down ?? ""}${across !== undefined && html` \\ ${across}`}</th>${columns.map((value) => html`<th>${value}</th>`)}</tr></thead>
<tbody>${rows.map((row) => html`<tr><th scope="row">${row}</th>${columns.map((column) => cell(find(own, [down, row], [across, column]), range))}</tr>`)}</tbody>
</table></div>`;
})}`;
}

function valuesOf(settings: readonly SweepSetting[], option: string | undefined): string[] {
  if (option === undefined) return [""];
  return [...new Set(settings.map(({ varied }) => String(varied[option])))];
}

/** The least and the largest accuracy. */
type Range = readonly [number, number];

type Place = readonly [option: string | undefined, value: string];

function find(settings: readonly SweepSetting[], ...places: Place[]): SweepSetting | undefined {
  return settings.find(({ varied }) =>
    places.every(([option, value]) => option === undefined || String(varied[option]) === value),
  );
}

/** The darker, the more accurate within the range. */
function cell(setting: SweepSetting | undefined, [least, most]: Range): Html {
  if (setting?.all == null) return html`<td>–</td>`;
  const { all, generated } = setting;
  const share = most > least ? (all.accuracy - least) / (most - least) : 0;
  const shade = Math.round(8 + 52 * share);
  return html`<td style="background:color-mix(in srgb, var(--accent) ${shade}%, transparent)" title="${interval(all)}">${percent(all.accuracy, 1)}<small>${number(generated)} tokens</small></td>`;
}

function interval({ ci95: [low, high] }: HalfScore): string {
  return `${percent(low, 1)} to ${percent(high, 1)}`;
}
