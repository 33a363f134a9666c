/** Draws figures as static SVG with Observable Plot, which is loaded for the first figure. */
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

/** Draws a figure as SVG. `options` receives the Plot library, to create marks. */
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
