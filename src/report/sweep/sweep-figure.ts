/** Accuracy against what it costs, for the settings of a sweep: a colour and a shape for each method. */
import type { SweepSetting } from "../../evaluate/sweep/best-settings.js";
import { accuracyRange, costScale, frontierOf } from "../evaluation/cost-scales.js";
import { shapeOf } from "../evaluation/method-marks.js";
import { number, percent } from "../format.js";
import type { Html } from "../html.js";
import { drawFigure } from "../plot.js";
import { seriesColor } from "../style.js";

interface Point {
  name: string;
  method: string;
  cost: number;
  accuracy: number;
  low: number;
  high: number;
}

/**
 * A point for each setting, with its interval; null where none was drawn.
 *
 * @param methods in the order that fixes their marks
 */
export async function drawSettings(
  settings: readonly SweepSetting[],
  methods: readonly string[],
  label: string,
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
  return drawFigure(`Accuracy against ${label}`, (plot) => ({
    ...{ width: 480, height: 330, marginLeft: 50, marginTop: 26, marginBottom: 44 },
    x: { ...x, tickFormat: number, label, labelAnchor: "center", labelArrow: "none" },
    y: {
      ...{ domain: [y.low, y.high], grid: true, ticks: 6 },
      ...{ label: "↑ accuracy (%)", labelArrow: "none" },
    },
    symbol: { domain: methods, range: methods.map((_, i) => shapeOf(i)) },
    color: { domain: methods, range: methods.map((_, i) => seriesColor(i)) },
    marks: [
      plot.line(frontierOf(points), {
        ...at,
        ...{ stroke: "var(--dim)", strokeDasharray: "4 4", strokeOpacity: 0.7 },
      }),
      plot.ruleX(points, {
        ...{ x: "cost", y1: "low", y2: "high", stroke: "method" },
        ...{ strokeWidth: 1.6, strokeOpacity: 0.3 },
      }),
      plot.dot(points, {
        ...at,
        ...{ symbol: "method", fill: "method", stroke: "var(--paper)", strokeWidth: 1, r: 5.5 },
        title: ({ name, accuracy, low, high, cost }: Point) =>
          `${name}: ${percent(accuracy / 100, 1)} (${percent(low / 100, 1)} to ${percent(high / 100, 1)}), ${number(cost)} ${label}`,
      }),
    ],
  }));
}
