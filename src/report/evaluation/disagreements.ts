/** The items on which methods differ: the question, and the samples of each method. */

import type { ComparedItem, Comparison } from "../../evaluate/compare/comparison.js";
import { isFailed, type Sample } from "../../evaluate/store/run-files.js";
import { counted, number, percent } from "../format.js";
import { type Html, html } from "../html.js";
import { itemFile } from "./item-report.js";
import { methodLabel } from "./method-marks.js";
import { cut, sampleEntry } from "./sample-entry.js";

/**
 * The maximum length of the items' markup in characters, so that a page stays below 6 MB. Further items are
 * only counted.
 */
const MAX_MARKUP = 4_000_000;
const MAX_TEXT = 4000;
const MAX_SAMPLES = 4;

export function disagreements(
  { methods }: Comparison,
  items: readonly ComparedItem[],
  questions: ReadonlyMap<string, string>,
  itemsFolder?: string,
): Html {
  const differing = items.filter(isContested);
  const names = methods.map(({ name }) => name);
  const shown: Html[] = [];
  let size = 0;
  for (const item of differing) {
    const link = itemsFolder === undefined ? undefined : itemLink(itemsFolder, item.id);
    const entry = itemEntry(item, names, { question: questions.get(item.id), link });
    size += entry.markup.length;
    if (size > MAX_MARKUP) break;
    shown.push(entry);
  }
  const right = items.filter(
    ({ samples }) =>
      hasGraded(samples) && samples.map(gradedOf).every((own) => rightCount(own) === own.length),
  );
  const wrong = items.filter(
    ({ samples }) => hasGraded(samples) && samples.every((own) => rightCount(own) === 0),
  );
  const same = itemsFolder === undefined ? [] : items.filter((item) => !isContested(item));
  const left = differing.length - shown.length;
  return html`<h2 id="differences">Where the methods differ</h2>
<p>${counted(differing.length, "item")} of ${number(items.length)}; on ${number(right.length)} all are right, on ${number(wrong.length)} all are wrong.${questions.size === 0 && " The questions are not shown: the data file is not where the run found it, or has changed."}${left > 0 && ` The first ${number(shown.length)} are shown, to keep the page small.`}</p>
${shown.length > 0 && filters(names)}
<div id="items">
${shown}
</div>
${itemsFolder !== undefined && same.length > 0 && html`<details><summary>the other ${counted(same.length, "item")}</summary><p class="note">${same.map(({ id }) => html`<a href="${itemLink(itemsFolder, id)}">${id}</a> `)}</p></details>`}`;
}

/** Returns the link from the report to an item's page. */
function itemLink(folder: string, id: string): string {
  return [folder, itemFile(id)].map(encodeURIComponent).join("/");
}

/** Returns whether the methods' shares of right samples differ. */
function isContested({ samples }: ComparedItem): boolean {
  const shares = samples
    .map(gradedOf)
    .filter((own) => own.length > 0)
    .map((own) => rightCount(own) / own.length);
  return new Set(shares).size > 1;
}

/** The filters stay hidden until the script makes them work. */
function filters(names: readonly string[]): Html {
  const options = names.map((name, m) => html`<option value="${m}">${name}</option>`);
  return html`<form class="filters screen" id="filters" hidden>
<label>right: <select name="right"><option value="">any</option>${options}</select></label>
<label>wrong: <select name="wrong"><option value="">any</option>${options}</select></label>
<label>text: <input type="search" name="text" placeholder="in questions and answers"></label>
<output></output>
</form>`;
}

function itemEntry(
  { id, gold, samples }: ComparedItem,
  names: readonly string[],
  { question, link }: { question: string | undefined; link: string | undefined },
) {
  const right = samples.flatMap((own, m) =>
    own.length > 0 && rightCount(own) === own.length ? m : [],
  );
  const wrong = samples.flatMap((own, m) => (own.length > 0 && rightCount(own) === 0 ? m : []));
  return html`<details class="item" data-right="${right.join(" ")}" data-wrong="${wrong.join(" ")}">
<summary><span class="id">${id}</span><span class="excerpt">${cut(question?.replace(/\s+/g, " ") ?? "", 110)}</span><span class="verdicts">${samples.map((own, m) => verdict(own, names[m] ?? "", m))}</span></summary>
${question !== undefined && html`<p class="text ask">${cut(question, MAX_TEXT)}</p>`}
<p class="gold">reference answer: <b>${gold === null ? "not known" : cut(gold, MAX_TEXT)}</b></p>
${link !== undefined && html`<p class="screen"><a href="${link}">every sample of this item</a></p>`}
<div class="outputs">
${samples.map((own, m) => own.length > 0 && output(own, names[m] ?? "", m))}
</div>
</details>
`;
}

function verdict(own: readonly Sample[], name: string, index: number): Html {
  const right = rightCount(own);
  const share =
    own.length === 0 ? "none" : right === own.length ? "right" : right === 0 ? "wrong" : "some";
  const sign = { right: "✓", wrong: "✗", some: percent(right / own.length), none: "–" }[share];
  return html`<span class="verdict ${share}" title="${name}: ${share === "some" ? `${right} of ${own.length} right` : share}">${methodLabel(name, index)}<b>${sign}</b></span>`;
}

function output(own: readonly Sample[], name: string, index: number): Html {
  const hidden = own.length - MAX_SAMPLES;
  return html`<section><h3>${methodLabel(name, index)}</h3>
${own.slice(0, MAX_SAMPLES).map((sample) => sampleEntry(sample))}
${hidden > 0 && html`<p class="note">and ${counted(hidden, "other sample")}</p>`}
</section>
`;
}

function rightCount(samples: readonly Sample[]): number {
  return samples.filter((sample) => !isFailed(sample) && sample.correct).length;
}

/** Failed samples are neither right nor wrong. */
function gradedOf(samples: readonly Sample[]): Sample[] {
  return samples.filter((sample) => !isFailed(sample));
}

function hasGraded(samples: readonly (readonly Sample[])[]): boolean {
  return samples.some((own) => gradedOf(own).length > 0);
}
