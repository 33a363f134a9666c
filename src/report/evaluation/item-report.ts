/** The page of one item: the question, every sample of every method, and how the votes stood. */
import { LlamaEtsError } from "../../engine/errors.js";
import type { ComparedItem, ComparedRuns } from "../../evaluate/compare/comparison.js";
import { questionsOfAll } from "../../evaluate/compare/questions.js";
import { sha256 } from "../../evaluate/store/sample-key.js";
import { counted } from "../format.js";
import { html } from "../html.js";
import { renderPage } from "../page.js";
import { methodLabel } from "./method-marks.js";
import { sampleEntry } from "./sample-entry.js";
import { EVALUATION_STYLE } from "./style.js";

/** The maximum number of characters of an item's name in its file name. */
const MAX_NAME = 80;

/** Returns the file name of an item's page. It is readable and unique for any item name. */
export function itemFile(id: string): string {
  const plain = id.replace(/[^\w.-]+/g, "_").slice(0, MAX_NAME);
  // A name with capitals gets a hash, because some file systems ignore case.
  const isName = plain === id && id === id.toLowerCase();
  return `${plain}${isName ? "" : `-${sha256(id).slice(0, 8)}`}.html`;
}

/**
 * Yields the pages of all items.
 *
 * @param report the file name of the report, in the folder above the pages
 */
export async function* itemReports(
  compared: ComparedRuns,
  report: string,
): AsyncGenerator<{ name: string; page: string }> {
  const questions = await questionsOfAll(compared.runs);
  for (const item of compared.items) {
    yield {
      name: itemFile(item.id),
      page: itemPage(compared, item, questions.get(item.id), report),
    };
  }
}

/** Returns the page of one item. Throws `ERR_INVALID_OPTION` if the runs have no sample of it. */
export async function itemReport(compared: ComparedRuns, id: string): Promise<string> {
  const { items, runs } = compared;
  const item = items.find((one) => one.id === id);
  if (item === undefined) {
    const some = items.slice(0, 3).map((one) => one.id);
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      `The runs have no item ${id}`,
      some.length > 0 ? { fix: `one of their items, such as ${some.join(", ")}` } : {},
    );
  }
  return itemPage(compared, item, (await questionsOfAll(runs)).get(id));
}

function itemPage(
  { comparison }: ComparedRuns,
  item: ComparedItem,
  question?: string,
  report?: string,
): string {
  const { id } = item;
  const body = html`<p class="kicker">${[...new Set(comparison.runs.map(({ task }) => task))].join(", ")}${report !== undefined && html` · <a href="../${encodeURIComponent(report)}">the report</a>`}</p>
<h1>${id}</h1>
${question === undefined ? html`<p class="note">The question is not shown: the data file is not where the run found it, or has changed.</p>` : html`<p class="text ask card">${question}</p>`}
<p class="gold">reference answer: <b>${item.gold ?? "not known"}</b></p>
${comparison.methods.map(({ name }, m) => {
  const own = (item.drawn ?? item.samples)[m] ?? [];
  return html`<section><h2>${methodLabel(name, m)}</h2>
<p class="note">${counted(own.length, "sample")}</p>
${own.map((sample) => sampleEntry(sample, { isWhole: true }))}
</section>
`;
})}`;
  return renderPage({ title: `${id} · llama-ets`, body, style: EVALUATION_STYLE });
}
