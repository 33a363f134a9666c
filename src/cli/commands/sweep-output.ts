/** Formats the results of a sweep for `eval --config`. */
import pc from "picocolors";
import type { HalfScore } from "../../evaluate/sweep/best-settings.js";
import type { SweepResult } from "../../evaluate/sweep/run-sweep.js";
import { number, percent } from "../../report/format.js";
import { printable } from "../printable.js";
import { newTable } from "../table.js";

export function formatSweep(results: readonly SweepResult[]): string {
  return results.map(formatResult).join("\n\n");
}

function formatResult({ task, model, settings, best }: SweepResult): string {
  const table = newTable(["setting", "accuracy", "95% interval", "items", "tokens", "seconds"]);
  for (const { name, all, generated, seconds } of settings) {
    const cells = all === null ? ["–", "–", "0"] : [...scoreCells(all), String(all.items)];
    table.push([printable(name), ...cells, number(generated), number(seconds)]);
  }
  const chosen = newTable(["best setting", "on its half", "on the other half", "95% interval"]);
  for (const { name, chosenBy, heldOut } of best) {
    chosen.push([printable(name), percent(chosenBy.accuracy, 1), ...scoreCells(heldOut)]);
  }
  return [
    `${pc.bold(printable(task))}, ${printable(model)}`,
    table.toString(),
    chosen.toString(),
    pc.dim(
      "A best setting is chosen on half of the items and judged on the other half: its accuracy where it was chosen is flattered by the choice.",
    ),
  ].join("\n");
}

function scoreCells({ accuracy, ci95: [low, high] }: HalfScore): [string, string] {
  return [percent(accuracy, 1), `${percent(low, 1)} to ${percent(high, 1)}`];
}
