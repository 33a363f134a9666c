/** Figures are drawn by Observable Plot to static SVG; it is loaded when the first one is drawn. */
import type * as Plot from "@observablehq/plot";
import { Html, withoutForbidden } from "./html.js";

export type PlotLibrary = typeof Plot;

let loading: ReturnType<typeof load> | undefined;

async function load() {
  const [library, { parseHTML }] = await Promise.all([
    import("@observablehq/plot"),
    import("linkedom"),
  ]);
  return { library, document: parseHTML("<!doctype html><html></html>").document };
}

/** A figure as SVG. `options` gets Plot itself, for its marks. */
export async function drawFigure(
  ariaLabel: string,
  options: (library: PlotLibrary) => Plot.PlotOptions,
): Promise<Html> {
  loading ??= load();
  const { library, document } = await loading;
  const figure = library.plot({
    document,
    className: "plot",
    ariaLabel,
    ...options(library),
  });
  return new Html(withoutForbidden(figure.outerHTML));
}
