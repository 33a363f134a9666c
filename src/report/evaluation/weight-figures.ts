/** Figures that show how reliable the methods' weights are: histograms over all steps. */

import type { ComparedItem, Comparison } from "../../evaluate/compare/comparison.js";
import { gradedOf, type Sample } from "../../evaluate/store/run-files.js";
import type { Html } from "../html.js";
import { drawFigure } from "../plot.js";
import { seriesColor } from "../style.js";
import { shortName } from "./method-marks.js";

type Step = Extract<Sample, { steps: unknown }>["steps"][number];

interface Value {
  method: string;
  value: number;
}

export interface WeightFigures {
  /** The ESS of the candidates' weights; null if no method weights candidates. */
  ess: Html | null;
  /** The ESS of the rollouts' importance weights, and their k̂. */
  rolloutEss: Html | null;
  khat: Html | null;
}

export async function drawWeightFigures(
  comparison: Comparison,
  items: readonly ComparedItem[],
): Promise<WeightFigures> {
  const weighing = new Set(
    comparison.methods.filter(({ meanEss }) => meanEss !== null).map(({ name }) => name),
  );
  const valuesOf = (of: (step: Step) => number | null | undefined) =>
    comparison.methods.flatMap(({ name }, m) =>
      weighing.has(name)
        ? items
            .flatMap(({ samples }) => gradedOf(samples[m] ?? []))
            .flatMap(({ steps }) => steps)
            .flatMap((step): Value[] => {
              const value = of(step);
              return typeof value === "number" ? [{ method: name, value }] : [];
            })
        : [],
    );
  const draw = (label: string, values: Value[], mark?: number) =>
    values.length === 0 ? null : drawHistogram(comparison, label, values, mark);
  return {
    ess: await draw(
      "effective sample size of the candidates",
      valuesOf(({ ess }) => ess),
    ),
    rolloutEss: await draw(
      "effective sample size of the rollouts",
      valuesOf(({ rolloutEss }) => rolloutEss),
    ),
    khat: await draw(
      "Pareto k̂ of the importance weights",
      valuesOf(({ khat }) => khat),
      0.7,
    ),
  };
}

/** Draws a row per method with the share of its steps in each bin. */
function drawHistogram({ methods }: Comparison, label: string, values: Value[], mark?: number) {
  const names = methods.map(({ name }) => name);
  const shown = names.filter((name) => values.some(({ method }) => method === name));
  const bins = { x: "value", fy: "method", fill: "method", thresholds: 24, inset: 0.5 };
  return drawFigure(`Histogram: ${label}`, (plot) => ({
    width: 480,
    height: shown.length * 78 + 64,
    marginLeft: 46,
    marginRight: 24 + 6.4 * Math.max(...shown.map((name) => shortName(name).length)),
    marginTop: 24,
    marginBottom: 42,
    x: { label, labelAnchor: "center", labelArrow: "none", nice: true },
    y: { label: "↑ steps (%)", labelArrow: "none", percent: true, ticks: 3, grid: true },
    fy: { label: null, domain: shown, padding: 0.16, tickFormat: shortName },
    color: { domain: names, range: names.map((_, i) => seriesColor(i)) },
    marks: [
      plot.rectY(values, plot.binX({ y: "proportion-facet" }, bins)),
      plot.ruleY([0]),
      ...(mark === undefined
        ? []
        : [
            plot.ruleX([mark], { stroke: "var(--warn)", strokeDasharray: "4 3", strokeWidth: 1.5 }),
          ]),
    ],
  }));
}
