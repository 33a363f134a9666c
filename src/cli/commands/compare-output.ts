/** Formats the output of `compare` for people. */
import pc from "picocolors";
import type { ComparedMethod, Comparison, Pair } from "../../evaluate/compare/comparison.js";
import type { Curve, CurveValue } from "../../evaluate/compare/curves.js";
import { PUBLISHED_SCOPE, type Published } from "../../evaluate/compare/published.js";
import { counted, number, percent, pValue, votesNote } from "../../report/format.js";
import { points } from "../format.js";
import { printable } from "../printable.js";
import { newTable } from "../table.js";

export function formatComparison(comparison: Comparison): string {
  const { runs, items, methods, pairs, warnings } = comparison;
  const tasks = [...new Set(runs.map(({ task }) => task))].join(", ");
  const models = [...new Set(runs.map(({ model }) => model))].join(", ");
  const samples = methods.reduce((sum, method) => sum + method.samples, 0);
  return [
    `${pc.bold(printable(tasks))}, ${printable(models)}: ${counted(items, "item")}, ${counted(samples, "sample")}`,
    ...warnings.map((warning) => pc.yellow(`caution: ${printable(warning)}`)),
    formatMethods(methods),
    ...(pairs.length > 0 ? [formatPairs(pairs)] : []),
  ].join("\n\n");
}

function formatMethods(methods: readonly ComparedMethod[]): string {
  const hasProposal = methods.some(({ tokens }) => tokens.proposal > 0);
  const hasRewards = methods.some(({ reward }) => reward !== null);
  const table = newTable([
    "method",
    "accuracy",
    "95% interval",
    ...(hasRewards ? ["reward", "best seen"] : []),
    "tokens",
    ...(hasProposal ? ["proposal's"] : []),
    "seconds",
    "right/1k tokens",
    "right/s",
  ]);
  for (const method of methods) {
    const { name, accuracy, ci95, tokens, seconds } = method;
    table.push([
      printable(name),
      percent(accuracy, 1),
      range(ci95.map((bound) => percent(bound, 1))),
      ...(hasRewards
        ? [method.reward, method.bestReward].map((mean) => (mean === null ? "–" : number(mean)))
        : []),
      number(tokens.generated),
      ...(hasProposal ? [tokens.proposal > 0 ? number(tokens.proposal) : "–"] : []),
      seconds.toFixed(seconds < 10 ? 3 : 1),
      estimate(method.accuracyPer1kTokens),
      estimate(method.accuracyPerSecond),
    ]);
  }
  const notes = [
    `Tokens and seconds are means a sample. ${intervalNote(methods)}`,
    ...votesNote(methods).map(printable),
  ];
  return `${table.toString()}\n${pc.dim(notes.join("\n"))}`;
}

function intervalNote(methods: readonly ComparedMethod[]): string {
  const isSingle = methods.every(({ interval }) => interval === "wilson");
  return isSingle
    ? "Intervals: Wilson's; of rates, the bootstrap over items."
    : "Intervals: Wilson's with one sample an item, else the bootstrap over items.";
}

function formatPairs(pairs: readonly Pair[]): string {
  const table = newTable(["difference", "points", "95% interval", "won : lost", "p", "p, Holm"]);
  for (const { better, worse, difference, ci95, won, lost, pValue: p, adjusted } of pairs) {
    table.push([
      printable(`${better} − ${worse}`),
      points(difference),
      range(ci95.map(points)),
      `${won} : ${lost}`,
      pValue(p),
      adjusted <= 0.05 ? pc.bold(pValue(adjusted)) : pValue(adjusted),
    ]);
  }
  const clear = pairs.filter(({ adjusted }) => adjusted <= 0.05).length;
  const notes = [
    `On the same ${counted(pairs[0]?.items ?? 0, "item")}; won : lost are those on which one is more accurate. p: McNemar's exact`,
    `test; intervals: ${intervalNames(pairs)}. ${counted(pairs.length, "pair")} tested at once: Holm's correction keeps the risk of`,
    `any false difference at 5%; ${clear === 0 ? "none" : clear} of them ${clear === 1 ? "is" : "are"} clear after it.`,
  ];
  return `${table.toString()}\n${pc.dim(notes.join("\n"))}`;
}

const INTERVAL_NAMES = {
  score: "Tango's",
  bootstrap: "the paired bootstrap",
  adjusted: "Bonett and Price's",
} as const;

function intervalNames(pairs: readonly Pair[]): string {
  return [...new Set(pairs.map(({ interval }) => INTERVAL_NAMES[interval]))].join(", ");
}

/** Formats what more or fewer texts would have given, with a table per method. */
export function formatCurves(curves: readonly Curve[]): string {
  if (curves.length === 0) {
    return "No curves: no method kept two texts or more of each item (eval --samples, or --keep texts).";
  }
  const tables = curves.map(({ name, items, points }) => {
    const table = newTable([
      "texts",
      "pass@k",
      "majority",
      "by probability",
      "best reward",
      "tokens",
    ]);
    const shown = (value: CurveValue | null) =>
      value === null
        ? "–"
        : `${percent(value.accuracy, 1)} (${range(value.ci95.map((bound) => percent(bound, 1)))})`;
    for (const { k, pass, majority, weighted, best, generated } of points) {
      table.push([String(k), ...[pass, majority, weighted, best].map(shown), number(generated)]);
    }
    return `${pc.bold(printable(name))}, ${counted(items, "item")}\n${table.toString()}`;
  });
  const note =
    "pass@k is unbiased, over all texts; the others are of the first k. Intervals: 95%, the bootstrap over items.";
  return `${tables.join("\n\n")}\n${pc.dim(note)}`;
}

/** Formats the paper's accuracies beside the user's own. */
export function formatPaper({ methods }: Comparison, published: Published | null): string {
  if (published === null) {
    return `The paper's numbers: none for this task and model; it has ${PUBLISHED_SCOPE}.`;
  }
  const { model, task, rows } = published;
  const table = newTable(["published", "accuracy", "time", "here", "accuracy", "95% interval"]);
  const known = new Set(rows.map(({ method }) => method));
  const others = methods.filter(({ method }) => !known.has(method));
  for (const { method, label, accuracy, relativeTime } of rows) {
    const own = methods.filter((m) => m.method === method);
    const published = [
      label,
      accuracy === null ? "–" : percent(accuracy, 1),
      relativeTime === null ? "–" : `${relativeTime}×`,
    ];
    if (own.length === 0) table.push([...published, "–", "", ""]);
    for (const [i, m] of own.entries())
      table.push([...(i === 0 ? published : ["", "", ""]), ...ownCells(m)]);
  }
  for (const method of others) table.push(["", "", "", ...ownCells(method)]);
  return `${pc.bold("The paper's numbers")} (${model}, ${task}; arXiv 2601.21484, time relative to one sample)\n${table.toString()}\n${pc.dim("Settings differ from the paper's unless you chose them so: quantisation, prompts, grading (--mode compat), M, K, tokens.")}`;
}

function ownCells({ name, accuracy, ci95 }: ComparedMethod): string[] {
  return [printable(name), percent(accuracy, 1), range(ci95.map((bound) => percent(bound, 1)))];
}

function range([low = "", high = ""]: readonly string[]): string {
  return `${low} to ${high}`;
}

function estimate({ value, ci95 }: ComparedMethod["accuracyPerSecond"]): string {
  return `${number(value)} (${range(ci95.map(number))})`;
}
