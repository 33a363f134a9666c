/** Which items each method got right. */

import type { ComparedItem, Comparison } from "../../evaluate/compare/comparison.js";
import { gradedOf } from "../../evaluate/store/run-files.js";
import { percent } from "../format.js";
import type { Html } from "../html.js";
import { drawFigure } from "../plot.js";
import { shortName } from "./method-marks.js";

/**
 * The maximum number of columns, since cells of more columns would be too small. Only the first items are
 * drawn.
 */
export const MAX_COLUMNS = 2000;
const PER_BAND = { least: 40, most: 100 };
const ROW = 15;

interface Cell {
  band: number;
  column: number;
  method: string;
  item: string;
  /** The share of right samples; null without samples. */
  right: number | null;
}

/**
 * Draws a row per method and a column per item, in bands. The items are sorted by the number of methods that
 * get them right.
 */
export function drawHeatMap(
  { methods }: Comparison,
  items: readonly ComparedItem[],
): Promise<Html> {
  const shares = items
    .slice(0, MAX_COLUMNS)
    .map(({ id, samples }) => ({ id, rights: samples.map(rightShare) }));
  const solved = (rights: readonly (number | null)[]) =>
    rights.reduce<number>((sum, r) => sum + (r ?? 0), 0);
  const ordered = shares.sort((a, b) => solved(b.rights) - solved(a.rights));
  const perBand = Math.min(PER_BAND.most, Math.max(PER_BAND.least, ordered.length));
  const cells = ordered.flatMap(({ id, rights }, i) =>
    rights.map(
      (right, m): Cell => ({
        band: Math.floor(i / perBand),
        column: i % perBand,
        method: methods[m]?.name ?? "",
        item: id,
        right,
      }),
    ),
  );
  const bands = Math.ceil(ordered.length / perBand);
  const names = methods.map(({ name }) => name);
  const left = 16 + 6.4 * Math.max(...names.map((name) => shortName(name).length));
  const known = cells.filter(({ right }) => right !== null);
  const base = { x: "column", y: "method", fy: "band", inset: 0.5, rx: 1.5 } as const;
  return drawFigure("Which items each method got right", (plot) => ({
    width: 1024,
    height: bands * (names.length * ROW + 12) + 8,
    marginLeft: left,
    marginRight: 4,
    marginTop: 4,
    marginBottom: 4,
    x: { domain: Array.from({ length: perBand }, (_, i) => i), axis: null, padding: 0 },
    y: { domain: names, label: null, tickSize: 0, padding: 0, tickFormat: shortName },
    fy: { axis: null, padding: 12 / (names.length * ROW + 12) },
    marks: [
      plot.cell(known, { ...base, fill: "var(--wrong)" }),
      plot.cell(known, {
        ...base,
        fill: "var(--right)",
        fillOpacity: ({ right }: Cell) => right ?? 0,
        title: ({ item, method, right }: Cell) => `${item}, ${method}: ${describe(right ?? 0)}`,
      }),
    ],
    opacity: { type: "identity" },
  }));
}

function describe(right: number): string {
  if (right === 1) return "right";
  return right === 0 ? "wrong" : `${percent(right)} right`;
}

function rightShare(samples: ComparedItem["samples"][number]): number | null {
  const graded = gradedOf(samples);
  if (graded.length === 0) return null;
  return graded.filter(({ correct }) => correct).length / graded.length;
}
