/**
 * The report of a sweep: accuracies over the grid, and the best settings, measured on items that didn't
 * choose them.
 */
import type { HalfScore, SweepSetting } from "../../evaluate/sweep/best-settings.js";
import type { SweepResult } from "../../evaluate/sweep/run-sweep.js";
import { breakableName, MARK_STYLE, methodLabel } from "../evaluation/method-marks.js";
import { type Figure, figuresOf } from "../figures.js";
import { counted, number, percent } from "../format.js";
import { type Html, html } from "../html.js";
import { renderPage } from "../page.js";
import { axesOf, drawGrid, gridsOf, shadeOf, valuesOf } from "./grid-figure.js";
import { drawSettings } from "./sweep-figure.js";

const STYLE = `
h3 { margin: 26px 0 6px }
figure h3 { margin: 0 0 8px }
.figures figure { max-width: 520px }
@media (max-width: 480px) { .figures svg.plot { font-size: 14px } }
.figures { grid-template-columns: repeat(auto-fill, minmax(min(100%, 420px), 1fr)) }
${MARK_STYLE}
.best th[scope=row] { white-space: normal; overflow-wrap: anywhere; min-width: 8em }
.best td small { display: block; color: var(--dim); font-weight: 400; white-space: nowrap }
.scroll table.grid { width: auto; min-width: 0 }
.grid caption { text-align: left; color: var(--dim); padding: 8px 0 2px }
.grid td { text-align: center; min-width: 5.5em; print-color-adjust: exact }
.grid td small { display: block; opacity: .85; font-size: .76em }
.grid th { white-space: nowrap }
.grid thead th + th { text-align: center }
.grid td:first-child { text-align: center; padding-left: 12px }
@media (max-width: 640px) {
  .best th, .best td, .grid td { padding: 7px 6px }
  .grid td { min-width: 4.6em }
}
`;

/** Returns one page for all tasks and models of a sweep, which loads nothing else. */
export async function sweepReport(results: readonly SweepResult[]): Promise<string> {
  const tasks = [...new Set(results.map(({ task }) => task))].join(", ");
  const title = `A sweep of ${counted(results[0]?.settings.length ?? 0, "setting")} on ${tasks}`;
  return renderPage({
    title,
    style: STYLE,
    body: html`<h1>${title}</h1>
${await Promise.all(results.map(section))}`,
  });
}

/**
 * Returns the figures of a sweep for files: for every task and model, accuracy against cost and each method's
 * grid.
 */
export async function sweepFigures(results: readonly SweepResult[]): Promise<Figure[]> {
  const drawn: Html[] = [];
  for (const result of results) {
    const { settings } = result;
    const where = results.length === 1 ? "" : `, ${result.task}, ${result.model}`;
    drawn.push(...(await costFigures(result, where)));
    for (const method of methodsOf(settings)) {
      const own = settings.filter((setting) => setting.method === method);
      if (own.length === 1) continue;
      for (const grid of gridsOf(own)) {
        const name = grid.name === "" ? "" : `, ${grid.name}`;
        drawn.push(await drawGrid(`Accuracy of ${method}${name}${where}`, grid, rangeOf(settings)));
      }
    }
  }
  return figuresOf(drawn.map(({ markup }) => markup).join("\n"));
}

/** Draws accuracy against tokens and against seconds, if there are samples. */
async function costFigures({ settings }: SweepResult, where: string): Promise<Html[]> {
  const draw = (label: string, costOf: (setting: SweepSetting) => number) =>
    drawSettings(settings, methodsOf(settings), label, where, costOf);
  const figures = [
    await draw("generated tokens a sample", ({ generated }) => generated),
    await draw("seconds a sample", ({ seconds }) => seconds),
  ];
  return figures.filter((figure) => figure !== null);
}

/** Returns the methods in the order that fixes their marks. */
function methodsOf(settings: readonly SweepSetting[]): string[] {
  return [...new Set(settings.map(({ method }) => method))];
}

/** The minimum and maximum accuracy. */
function rangeOf(settings: readonly SweepSetting[]): Range {
  const shares = settings.flatMap(({ all }) => all?.accuracy ?? []);
  return [Math.min(...shares), Math.max(...shares)];
}

async function section(result: SweepResult): Promise<Html> {
  const { task, model, settings, best, directories } = result;
  const methods = methodsOf(settings);
  const range = rangeOf(settings);
  const items = Math.max(0, ...settings.map(({ all }) => all?.items ?? 0));
  return html`<h2>${task}, ${model}</h2>
<p class="note">${counted(items, "item")}, ${counted(directories.length, "seed")}.</p>
${cautions(result).map((caution) => html`<p class="warning">${caution}</p>`)}
<h3>The best setting of each method</h3>
<p>A setting is chosen on half of the items, those that a hash of their names picks, and judged on the other half. Where it was chosen its accuracy is flattered by the choice.</p>
<div class="scroll"><table class="best">
<thead><tr><th>best setting</th><th>where chosen</th><th>on the other half</th></tr></thead>
<tbody>${best.map(({ name, chosenBy, heldOut }) => html`<tr><th scope="row">${breakableName(name)}</th><td>${percent(chosenBy.accuracy, 1)}<small>${counted(chosenBy.items, "item")}</small></td><td><b>${percent(heldOut.accuracy, 1)}</b><small>${interval(heldOut)}</small><small>${counted(heldOut.items, "item")}</small></td></tr>`)}</tbody>
</table></div>
<h3>What accuracy costs</h3>
<div class="figures">
${(await costFigures(result, "")).map((figure) => html`<figure>${figure}</figure>`)}
</div>
<p class="note">A point is a setting, on all items, with its 95% interval; the dashed line joins those that no other one beats in both. In the tables the stronger a cell's colour, the more accurate: one scale for all methods.</p>
${methods.map((method, i) =>
  grids(
    methodLabel(method, i),
    settings.filter((setting) => setting.method === method),
    range,
  ),
)}`;
}

function cautions({ failed, endedEarly }: SweepResult): string[] {
  return [
    ...(failed > 0 ? [`${counted(failed, "sample")} failed and are in no number.`] : []),
    ...(endedEarly ? ["The sweep ended early: what follows is what had been drawn."] : []),
  ];
}

/**
 * Writes a method's grid: a table of its first two options for each combination of the others. The table of a
 * single option is one row.
 */
function grids(title: Html, settings: readonly SweepSetting[], range: Range): Html {
  const [down, across] = axesOf(settings);
  return html`<h3>${title}</h3>
${gridsOf(settings).map(({ name, settings: own }) => {
  const rows = valuesOf(own, down);
  const columns = valuesOf(own, across);
  const corner = [down, across].filter((option) => option !== undefined).join(" \\ ");
  const head = html`<thead><tr><th>${corner}</th>${columns.map((value) => html`<th>${value}</th>`)}</tr></thead>`;
  const cells = (row: string) =>
    columns.map((column) => cell(find(own, [down, row], [across, column]), range));
  return html`<div class="scroll"><table class="grid">
${name !== "" && html`<caption>${name}</caption>`}
${across !== undefined && head}
<tbody>${rows.map((row) => html`<tr>${across !== undefined && html`<th scope="row">${row}</th>`}${cells(row)}</tr>`)}</tbody>
</table></div>`;
})}`;
}

/** The minimum and maximum accuracy. */
type Range = readonly [number, number];

type Place = readonly [option: string | undefined, value: string];

function find(settings: readonly SweepSetting[], ...places: Place[]): SweepSetting | undefined {
  return settings.find(({ varied }) =>
    places.every(([option, value]) => option === undefined || String(varied[option]) === value),
  );
}

/** Writes a cell, which is darker the more accurate the setting is. */
function cell(setting: SweepSetting | undefined, range: Range): Html {
  if (setting?.all == null) return html`<td>–</td>`;
  const { all, generated } = setting;
  const shade = Math.round(100 * shadeOf(all.accuracy, range));
  return html`<td style="background:color-mix(in srgb, var(--accent) ${shade}%, transparent)" title="${interval(all)}">${percent(all.accuracy, 1)}<small>${number(generated)} tokens</small></td>`;
}

function interval({ ci95: [low, high] }: HalfScore): string {
  return `${percent(low, 1)} to ${percent(high, 1)}`;
}
