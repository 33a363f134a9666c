/** The page of one item: the question, every sample of every method, and how the votes stood. */

import { LlamaEtsError } from "../../engine/errors.js";
import type { ComparedRuns } from "../../evaluate/compare/comparison.js";
import { questionsOf } from "../../evaluate/compare/questions.js";
import { counted } from "../format.js";
import { html } from "../html.js";
import { renderPage } from "../page.js";
import { methodLabel } from "./method-marks.js";
import { sampleEntry } from "./sample-entry.js";
import { EVALUATION_STYLE } from "./style.js";

/** Throws `ERR_INVALID_OPTION` for an item that the runs have no sample of. */
export async function itemReport(
  { comparison, items, runs }: ComparedRuns,
  id: string,
): Promise<string> {
  const item = items.find((one) => one.id === id);
  if (item === undefined) {
    const some = items.slice(0, 3).map((one) => one.id);
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      `The runs have no item ${id}`,
      some.length > 0 ? { fix: `one of their items, such as ${some.join(", ")}` } : {},
    );
  }
  let question: string | undefined;
  for (const { run } of runs) question ??= (await questionsOf(run)).get(id);
  const body = html`<p class="kicker">${[...new Set(comparison.runs.map(({ task }) => task))].join(", ")}</p>
<h1>${id}</h1>
${question === undefined ? html`<p class="note">The question is not shown: the data file is not where the run found it, or has changed.</p>` : html`<p class="text ask card">${question}</p>`}
<p class="gold">reference answer: <b>${item.gold ?? "not known"}</b></p>
${comparison.methods.map(({ name }, m) => {
  const own = item.samples[m] ?? [];
  return html`<section><h2>${methodLabel(name, m)}</h2>
<p class="note">${counted(own.length, "sample")}</p>
${own.map((sample) => sampleEntry(sample, { isWhole: true }))}
</section>
`;
})}`;
  return renderPage({ title: `${id} · llama-ets`, body, style: EVALUATION_STYLE });
}
