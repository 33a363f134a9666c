/**
 * Draws a method's grid as a figure for files: accuracies by two options, with a figure for each value of the
 * others.
 */
import type { SweepSetting } from "../../evaluate/sweep/best-settings.js";
import { percent } from "../format.js";
import type { Html } from "../html.js";
import { drawFigure } from "../plot.js";

const CELL = { width: 84, height: 44 };

export interface Grid {
  /** The values of the other options; empty if there are none. */
  name: string;
  settings: SweepSetting[];
}

/** Returns the options whose values are rows and columns. The values of a single option are columns. */
export function axesOf(
  settings: readonly SweepSetting[],
): readonly [down: string | undefined, across: string | undefined] {
  const options = Object.keys(settings[0]?.varied ?? {});
  return options.length === 1 ? [undefined, options[0]] : [options[0], options[1]];
}

/** Returns a grid for each combination of the options that aren't axes. */
export function gridsOf(settings: readonly SweepSetting[]): Grid[] {
  const others = Object.keys(settings[0]?.varied ?? {}).slice(2);
  const grids = new Map<string, SweepSetting[]>();
  for (const setting of settings) {
    const name = others.map((option) => `${option} = ${setting.varied[option]}`).join(", ");
    grids.set(name, [...(grids.get(name) ?? []), setting]);
  }
  return [...grids].map(([name, own]) => ({ name, settings: own }));
}

export function valuesOf(settings: readonly SweepSetting[], option: string | undefined): string[] {
  if (option === undefined) return [""];
  return [...new Set(settings.map(({ varied }) => String(varied[option])))];
}

/**
 * Draws a cell for each setting that has samples.
 *
 * @param range the minimum and maximum accuracy of the scale
 */
export function drawGrid(
  title: string,
  { settings }: Grid,
  range: readonly [number, number],
): Promise<Html> {
  const [down, across] = axesOf(settings);
  const rows = valuesOf(settings, down);
  const columns = valuesOf(settings, across);
  const of = ({ varied }: SweepSetting, option?: string) =>
    option === undefined ? "" : String(varied[option]);
  const cells = settings.flatMap((setting) =>
    setting.all === null
      ? []
      : [{ x: of(setting, across), y: of(setting, down), accuracy: setting.all.accuracy }],
  );
  const left = 30 + 7 * Math.max(...rows.map((row) => row.length));
  const at = { x: "x", y: "y" } as const;
  return drawFigure(title, (plot) => ({
    width: left + 8 + Math.max(columns.length, 3) * CELL.width,
    height: 58 + rows.length * CELL.height,
    marginLeft: left,
    marginTop: 50,
    marginRight: 8,
    marginBottom: 8,
    x: { domain: columns, axis: "top", label: across ?? null, labelArrow: "none", tickSize: 0 },
    y: { domain: rows, label: down ?? null, labelArrow: "none", tickSize: 0 },
    marks: [
      plot.cell(cells, {
        ...at,
        inset: 1,
        fill: "var(--accent)",
        fillOpacity: ({ accuracy }) => shadeOf(accuracy, range),
      }),
      plot.text(cells, {
        ...at,
        text: ({ accuracy }: (typeof cells)[number]) => percent(accuracy, 1),
        fill: "var(--ink)",
      }),
    ],
    opacity: { type: "identity" },
  }));
}

/** Returns the share of the accent colour in a cell, which grows with the accuracy. */
export function shadeOf(accuracy: number, [least, most]: readonly [number, number]): number {
  const share = most > least ? (accuracy - least) / (most - least) : 0;
  return Math.round(8 + 52 * share) / 100;
}
