/**
 * A sample in reports: its verdict with the reason, its text, and the votes of the texts that it chose from.
 */
import { isFailed, type KeptText, type Sample } from "../../evaluate/store/run-files.js";
import { counted, number } from "../format.js";
import { type Html, html } from "../html.js";

const MAX_TEXT = 4000;
const MAX_ANSWER = 200;
/** The maximum number of answers that a vote names. The others are counted together. */
const MAX_VOTES = 5;

/** @param isWhole shows everything, without the cuts that keep a page of many items small */
export function sampleEntry(sample: Sample, { isWhole = false } = {}): Html {
  const cutText = (text: string) => (isWhole ? text : cut(text, MAX_TEXT));
  if (isFailed(sample)) {
    return html`<p class="graded failed"><b>failed</b> ${sample.error.code}</p><p class="text">${cutText(sample.error.message)}</p>`;
  }
  const { correct, extracted, text, usage, stopReason, reason, result, texts } = sample;
  const ended = stopReason === "end" || stopReason === "stop" ? "" : `, ended by ${stopReason}`;
  const why = reason ?? (result === undefined ? undefined : `its tests: ${result}`);
  return html`<p class="graded ${correct ? "right" : "wrong"}"><b>${correct ? "✓" : "✗"} ${extracted === null ? "no answer" : cut(extracted, MAX_ANSWER)}</b> <span>${number(usage.generated)} tokens, ${number(usage.ms / 1000)} s${ended}${why !== undefined && `; ${why}`}</span></p><p class="text">${cutText(text)}</p>${isWhole && texts !== undefined && texts.length > 0 && votes(texts)}`;
}

/** Lists the drawn texts in order, each with the votes after it. */
function votes(texts: readonly (KeptText & { correct: boolean })[]): Html {
  const counts = new Map<string, number>();
  const rows = texts.map(({ answer, correct, generated, reward, text }, i) => {
    if (answer !== null) counts.set(answer, (counts.get(answer) ?? 0) + 1);
    return html`<tr><td>${i + 1}</td><td class="left">${correct ? "✓" : "✗"} ${answer === null ? "no answer" : cut(answer, 60)}</td><td class="left">${standing(counts)}</td><td>${number(generated)}</td>${reward !== null && html`<td>${number(reward)}</td>`}<td class="left"><details><summary>text</summary><p class="text">${text}</p></details></td></tr>`;
  });
  const hasRewards = texts.some(({ reward }) => reward !== null);
  return html`<h3 class="votes">${counted(texts.length, "text")}, and how the votes stood</h3>
<div class="scroll"><table><thead><tr><th>text</th><th class="left">answer</th><th class="left">votes so far</th><th>tokens</th>${hasRewards && html`<th>reward</th>`}<th></th></tr></thead><tbody>${rows}</tbody></table></div>`;
}

/** Writes votes as `18: 3, 20: 1`, with the most votes first. */
function standing(counts: ReadonlyMap<string, number>): string {
  const sorted = [...counts].toSorted(([, a], [, b]) => b - a);
  const shown = sorted.slice(0, MAX_VOTES).map(([answer, n]) => `${cut(answer, 30)}: ${n}`);
  const others = sorted.slice(MAX_VOTES).reduce((sum, [, n]) => sum + n, 0);
  return [...shown, ...(others > 0 ? [`others: ${others}`] : [])].join(", ");
}

export function cut(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length)} …` : text;
}
