/**
 * The figure of accuracy against cost for the settings of a sweep, with a colour and a shape for each method.
 */
import type { SweepSetting } from "../../evaluate/sweep/best-settings.js";
import { accuracyRange, costScale, frontierOf } from "../evaluation/cost-scales.js";
import { shapeOf, shortName } from "../evaluation/method-marks.js";
import { number, percent } from "../format.js";
import type { Html } from "../html.js";
import { drawFigure, type PlotLibrary } from "../plot.js";
import { seriesColor } from "../style.js";

type Markish = ReturnType<PlotLibrary["dot"] | PlotLibrary["text"]>;

interface Point {
  name: string;
  method: string;
  cost: number;
  accuracy: number;
  low: number;
  high: number;
}

/**
 * Draws a point with its interval for each setting; null if no setting has samples.
 *
 * @param methods in the order that fixes their marks
 * @param where an addition to the figure's name, such as the task
 */
export async function drawSettings(
  settings: readonly SweepSetting[],
  methods: readonly string[],
  label: string,
  where: string,
  costOf: (setting: SweepSetting) => number,
): Promise<Html | null> {
  const points = settings.flatMap((setting): Point[] => {
    if (setting.all === null) return [];
    const [low, high] = setting.all.ci95;
    const { name, method } = setting;
    const percents = { accuracy: 100 * setting.all.accuracy, low: 100 * low, high: 100 * high };
    return [{ name, method, cost: costOf(setting), ...percents }];
  });
  if (points.length === 0) return null;
  const { place: _, ...x } = costScale(points.map(({ cost }) => cost));
  const y = accuracyRange(points);
  const at = { x: "cost", y: "accuracy" } as const;
  const legend = placedLegend(methods);
  return drawFigure(`Accuracy against ${label}${where}`, (plot) => ({
    width: WIDTH,
    height: 314 + legend.height,
    marginLeft: LEFT,
    marginBottom: 44,
    marginTop: 10 + legend.height,
    x: { ...x, tickFormat: number, label, labelAnchor: "center", labelArrow: "none" },
    y: {
      domain: [y.low, y.high],
      grid: true,
      ticks: 6,
      label: "accuracy (%)",
      labelAnchor: "center",
      labelArrow: "none",
    },
    symbol: { domain: methods, range: methods.map((_, i) => shapeOf(i)) },
    color: { domain: methods, range: methods.map((_, i) => seriesColor(i)) },
    marks: [
      ...legendMarks(plot, legend),
      plot.line(frontierOf(points), {
        ...at,
        stroke: "var(--dim)",
        strokeDasharray: "4 4",
        strokeOpacity: 0.7,
      }),
      plot.ruleX(points, {
        x: "cost",
        y1: "low",
        y2: "high",
        stroke: "method",
        strokeWidth: 1.6,
        strokeOpacity: 0.3,
      }),
      plot.dot(points, {
        ...at,
        symbol: "method",
        fill: "method",
        stroke: "var(--paper)",
        strokeWidth: 1,
        r: 5.5,
        title: ({ name, accuracy, low, high, cost }: Point) =>
          `${name}: ${percent(accuracy / 100, 1)} (${percent(low / 100, 1)} to ${percent(high / 100, 1)}), ${number(cost)} ${label}`,
      }),
    ],
  }));
}

const WIDTH = 480;
const LEFT = 50;
const LINE = 18;
/** Widths in pixels of the widest letter at the figure's font size, and of the space around a name. */
const LETTER = 6.6;
const AROUND = 30;

interface Legend {
  entries: { method: string; x: number; line: number }[];
  height: number;
}

/** Places the methods side by side, in as many lines as they need. */
function placedLegend(methods: readonly string[]): Legend {
  let [x, line] = [0, 0];
  const entries = methods.map((method) => {
    const width = AROUND + LETTER * shortName(method).length;
    if (x > 0 && x + width > WIDTH - LEFT) [x, line] = [0, line + 1];
    const entry = { method, x, line };
    x += width;
    return entry;
  });
  return { entries, height: (line + 1) * LINE };
}

/** Draws the legend inside the figure, above the plot, so that a separate file explains its marks. */
function legendMarks(plot: PlotLibrary, { entries, height }: Legend): Markish[] {
  return entries.flatMap(({ method, x, line }) => {
    const at = { frameAnchor: "top-left", dy: line * LINE - height } as const;
    return [
      plot.dot([method], {
        ...at,
        dx: x + 6,
        symbol: [method],
        fill: [method],
        r: 5,
      }),
      plot.text([shortName(method)], {
        ...at,
        dx: x + 16,
        dy: at.dy + 1,
        textAnchor: "start",
        lineAnchor: "middle",
      }),
    ];
  });
}
