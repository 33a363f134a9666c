/** A method's grid as a figure for files: accuracies by two options, a figure for each value of the others. */
import type { SweepSetting } from "../../evaluate/sweep/best-settings.js";
import { percent } from "../format.js";
import type { Html } from "../html.js";
import { drawFigure } from "../plot.js";

const CELL = { width: 84, height: 44 };

export interface Grid {
  /** What the others' values are; empty where there are none. */
  name: string;
  settings: SweepSetting[];
}

/** The options whose values are rows and columns; of one option alone its values are columns. */
export function axesOf(
  settings: readonly SweepSetting[],
): readonly [down: string | undefined, across: string | undefined] {
  const options = Object.keys(settings[0]?.varied ?? {});
  return options.length === 1 ? [undefined, options[0]] : [options[0], options[1]];
}

/** A grid for each combination of the options that are no axis. */
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
 * A cell for each setting that was drawn.
 *
 * @param range the least and the largest accuracy of the scale
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

/** How much of the accent's colour a cell has: the more accurate, the more. */
export function shadeOf(accuracy: number, [least, most]: readonly [number, number]): number {
  const share = most > least ? (accuracy - least) / (most - least) : 0;
  return Math.round(8 + 52 * share) / 100;
}
