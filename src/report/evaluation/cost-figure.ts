/** The figure of accuracy against cost. */
import type { ComparedMethod } from "../../evaluate/compare/comparison.js";
import { number, percent } from "../format.js";
import type { Html } from "../html.js";
import { drawFigure } from "../plot.js";
import { seriesColor } from "../style.js";
import { accuracyRange, costScale, frontierOf } from "./cost-scales.js";
import { placeLabels } from "./label-placement.js";
import { shapeOf, shortName } from "./method-marks.js";

const WIDTH = 480;
const HEIGHT = 330;
const MARGIN = { left: 50, right: 16, top: 26, bottom: 44 };

interface Point {
  name: string;
  cost: number;
  accuracy: number;
  low: number;
  high: number;
  index: number;
}

export function drawCost(
  methods: readonly ComparedMethod[],
  label: string,
  costOf: (method: ComparedMethod) => number,
): Promise<Html> {
  const points = methods.map((method, index): Point => {
    const { name, accuracy, ci95 } = method;
    const [low, high] = ci95;
    return {
      name,
      index,
      cost: costOf(method),
      accuracy: 100 * accuracy,
      low: 100 * low,
      high: 100 * high,
    };
  });
  const x = costScale(points.map(({ cost }) => cost));
  const y = accuracyRange(points);
  const inner = {
    width: WIDTH - MARGIN.left - MARGIN.right,
    height: HEIGHT - MARGIN.top - MARGIN.bottom,
  };
  const places = placeLabels(
    points.map((point) => ({
      x: MARGIN.left + inner.width * x.place(point.cost),
      y: MARGIN.top + (inner.height * (y.high - point.accuracy)) / (y.high - y.low),
      label: shortName(point.name),
    })),
    { left: MARGIN.left, right: WIDTH, top: 0, bottom: HEIGHT - MARGIN.bottom },
  );
  return drawFigure(`Accuracy against ${label}`, (plot) => ({
    width: WIDTH,
    height: HEIGHT,
    marginLeft: MARGIN.left,
    marginRight: MARGIN.right,
    marginTop: MARGIN.top,
    marginBottom: MARGIN.bottom,
    x: {
      type: x.type,
      domain: x.domain,
      ticks: x.ticks,
      tickFormat: number,
      label,
      labelAnchor: "center",
      labelArrow: "none",
    },
    y: {
      domain: [y.low, y.high],
      grid: true,
      ticks: 6,
      label: "↑ accuracy (%)",
      labelArrow: "none",
    },
    symbol: { domain: points.map(({ name }) => name), range: points.map((p) => shapeOf(p.index)) },
    color: {
      domain: points.map(({ name }) => name),
      range: points.map((p) => seriesColor(p.index)),
    },
    marks: [
      plot.line(frontierOf(points), {
        x: "cost",
        y: "accuracy",
        stroke: "var(--dim)",
        strokeDasharray: "4 4",
        strokeOpacity: 0.7,
      }),
      plot.ruleX(points, {
        x: "cost",
        y1: "low",
        y2: "high",
        stroke: "name",
        strokeWidth: 1.6,
        strokeOpacity: 0.55,
      }),
      plot.dot(points, {
        x: "cost",
        y: "accuracy",
        symbol: "name",
        fill: "name",
        stroke: "var(--paper)",
        strokeWidth: 1,
        r: 5.5,
        title: ({ name, accuracy, low, high, cost }: Point) =>
          `${name}: ${percent(accuracy / 100, 1)} (${percent(low / 100, 1)} to ${percent(high / 100, 1)}), ${number(cost)} ${label}`,
      }),
      ...points.map((point, i) =>
        plot.text([point], {
          x: "cost",
          y: "accuracy",
          text: (p: Point) => shortName(p.name),
          fill: "currentColor",
          stroke: "var(--paper)",
          strokeWidth: 3,
          fontSize: 12,
          textAnchor: places[i]?.anchor ?? "start",
          dx: places[i]?.dx ?? 0,
          dy: places[i]?.dy ?? 0,
        }),
      ),
    ],
  }));
}
