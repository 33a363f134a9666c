/** The report of evaluation runs: what the methods reached, at what cost, and where they differ. */
import type {
  ComparedMethod,
  ComparedRuns,
  Comparison,
  Pair,
} from "../../evaluate/compare/comparison.js";
import { publishedFor } from "../../evaluate/compare/published.js";
import { questionsOfAll } from "../../evaluate/compare/questions.js";
import type { RunRecord } from "../../evaluate/store/run-files.js";
import { counted, number, percent, votesNote } from "../format.js";
import { type Html, html } from "../html.js";
import { renderPage } from "../page.js";
import { drawCost } from "./cost-figure.js";
import { disagreements } from "./disagreements.js";
import { FILTER_SCRIPT } from "./filter-script.js";
import { drawHeatMap, MAX_COLUMNS } from "./heat-map.js";
import { EVALUATION_STYLE } from "./style.js";
import { methodTable, pairTable, publishedTable } from "./tables.js";
import { drawWeightFigures } from "./weight-figures.js";

/**
 * Returns the page, which loads nothing else.
 *
 * @param itemsFolder the folder of the items' pages, for links to them. Default: no links
 */
export async function evaluationReport(
  { comparison, items, runs }: ComparedRuns,
  itemsFolder?: string,
): Promise<string> {
  const { methods, pairs, warnings } = comparison;
  const questions = await questionsOfAll(runs);
  const published = publishedFor(comparison);
  const body = html`<p class="kicker">Evaluation</p>
<h1>${titleOf(comparison)}</h1>
<p class="lead">${lead(comparison)}</p>
${warnings.map((warning) => html`<p class="warning">${warning}</p>`)}
<h2>Accuracy, and what it costs</h2>
<div class="figures">
<figure><h3>Against tokens</h3>${await drawCost(methods, "generated tokens a sample", ({ tokens }) => tokens.generated + tokens.proposal)}</figure>
<figure><h3>Against time</h3>${await drawCost(methods, "seconds a sample", ({ seconds }) => seconds)}</figure>
</div>
<p class="note">Bars are 95% intervals. The dashed line joins the methods that no other one beats in both cost and accuracy. Tokens are the model's and a proposal's together.</p>
${methodTable(comparison)}
${votesNote(methods).map((note) => html`<p class="note">${note}</p>`)}
${pairs.length > 0 && html`<h2>Are the differences real?</h2>${pairTable(comparison)}`}
${published !== null && publishedTable(comparison, published)}
<h2>Item by item</h2>
<p class="note">A column is an item, ordered by how many methods get it right; point at a cell for its name.${items.length > MAX_COLUMNS && ` The first ${number(MAX_COLUMNS)} of ${number(items.length)} are drawn.`}</p>
<div class="heat scroll">${await drawHeatMap(comparison, items)}</div>
<p class="note"><i class="cell" style="background:var(--right)"></i>right<i class="cell" style="background:var(--wrong)"></i>wrong; with several samples an item, the shade is the share that is right.</p>
${await weights(comparison, items)}
${disagreements(comparison, items, questions, itemsFolder)}
${settings(runs)}
<footer>${[...new Set(runs.map(({ run }) => `llama-ets ${run.versions.llamaEts} · llama.cpp ${run.versions.llamaCpp} · Node ${run.versions.node}`))].join("; ")}</footer>`;
  return renderPage({
    title: `${titleOf(comparison)} · llama-ets`,
    body,
    style: EVALUATION_STYLE,
    script: FILTER_SCRIPT,
  });
}

function titleOf({ runs, methods }: Comparison): string {
  const tasks = [...new Set(runs.map(({ task }) => task))].join(", ");
  return `${counted(methods.length, "method")} on ${tasks}`;
}

function lead({ runs, items, methods, pairs }: Comparison): string {
  const models = [...new Set(runs.map(({ model }) => model))].join(", ");
  const samples = methods.reduce((sum, method) => sum + method.samples, 0);
  const clear = pairs.filter(({ adjusted }) => adjusted <= 0.05).length;
  const tested =
    pairs.length === 0
      ? ""
      : ` Of ${counted(pairs.length, "pair")} ${clear === 0 ? "none differs" : clear === 1 ? "one differs" : `${clear} differ`} clearly.`;
  return `${models}, ${counted(items, "item")}, ${counted(samples, "sample")}. ${headline(methods, pairs)}${tested}`;
}

/**
 * Writes the headline. It names a winner only if every other method was compared with it and is clearly
 * worse.
 */
function headline(methods: readonly ComparedMethod[], pairs: readonly Pair[]): string {
  const most = Math.max(...methods.map(({ accuracy }) => accuracy));
  const leaders = methods.filter(({ accuracy }) => accuracy === most);
  const [first] = leaders;
  if (first === undefined) return "";
  const [low, high] = first.ci95;
  const value = `${percent(most, 1)}, between ${percent(low, 1)} and ${percent(high, 1)} with 95% confidence.`;
  if (methods.length === 1) return `${first.name}: ${value}`;
  if (leaders.length > 1) {
    return `${listed(leaders.map(({ name }) => name))} are tied: ${value}`;
  }
  const worse = new Set(
    pairs
      .filter(({ better, adjusted }) => better === first.name && adjusted <= 0.05)
      .map((p) => p.worse),
  );
  const others = methods.filter(({ name }) => name !== first.name && !worse.has(name));
  if (others.length === 0) return `${first.name} is the most accurate: ${value}`;
  return `${first.name} has the highest accuracy, ${value} It is not told apart from ${listed(others.map(({ name }) => name))}.`;
}

/** Lists names as `a, b and c`. */
function listed(names: readonly string[]): string {
  return [names.slice(0, -1).join(", "), names.at(-1)].filter((part) => part !== "").join(" and ");
}

async function weights(comparison: Comparison, items: ComparedRuns["items"]): Promise<Html | null> {
  const { ess, rolloutEss, khat } = await drawWeightFigures(comparison, items);
  const figures: [Html | null, string, string][] = [
    [
      ess,
      "Spread of the weights",
      "Effective sample size of the candidates at each step: near 1, one candidate decided it; near their number, the reward saw no difference.",
    ],
    [
      rolloutEss,
      "Rollouts that count",
      "Effective sample size of a step's rollouts under importance sampling: far below their number, the proposal is far from the model.",
    ],
    [
      khat,
      "Reliability of importance weights",
      "Pareto k̂ of each step; to the right of the dashed line, at .7, weights can't be trusted.",
    ],
  ];
  const drawn = figures.filter(([figure]) => figure !== null);
  if (drawn.length === 0) return null;
  return html`<h2>How far the weights can be trusted</h2>
<div class="figures">${drawn.map(([figure, title, caption]) => html`<figure><h3>${title}</h3>${figure}<figcaption>${caption}</figcaption></figure>`)}</div>`;
}

function samplesOf({ samples, budget }: RunRecord): string {
  const each = `${counted(samples, "sample")} each`;
  if (budget === undefined) return each;
  return `up to ${each}, which vote, within ${number(budget.tokens)} tokens in all`;
}

/** Writes settings as `candidates 8, rollouts 1, sampling.temperature 0.7`, without those that aren't set. */
function settingsText(settings: object, within = ""): string {
  return Object.entries(settings)
    .flatMap(([name, value]) => {
      const isNone = value === null || value === undefined;
      if (isNone || (typeof value === "object" && Object.keys(value).length === 0)) return [];
      if (typeof value === "object" && !Array.isArray(value)) {
        return settingsText(value, `${within}${name}.`) || [];
      }
      return `${within}${name} ${typeof value === "string" ? value : JSON.stringify(value)}`;
    })
    .join(", ");
}

function settings(runs: ComparedRuns["runs"]): Html {
  return html`<h2>Settings</h2>
${runs.map(({ directory, run }) => {
  const { machine, model, data } = run;
  const rows = [
    ["model", `${model.description}, ${model.path}, SHA-256 ${model.sha256.slice(0, 12)}…`],
    ["data", `${data.path}, SHA-256 ${data.sha256.slice(0, 12)}…`],
    ["items", `${number(run.items)}, ${samplesOf(run)}, seed ${run.seed}`],
    ["grading", `${run.mode}, prompts: ${run.form}`],
    [
      "machine",
      `${machine.cpu}, ${machine.cores} cores${machine.gpu === false ? "" : `, ${machine.gpu}`}`,
    ],
    ["started", run.startedAt],
    ...run.methods.map(({ name, settings }) => [name, settingsText(settings)]),
  ];
  return html`<details${runs.length === 1 && " open"}><summary>${directory}</summary><div class="scroll"><table class="settings"><tbody>${rows.map(([name, value]) => html`<tr><td>${name}</td><td class="left">${value}</td></tr>`)}</tbody></table></div></details>`;
})}`;
}
