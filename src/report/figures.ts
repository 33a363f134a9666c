/** Extracts the figures of a report as standalone SVG files, with the report's light colours. */
import { parseHTML } from "linkedom";
import { STYLE } from "./style.js";

export interface Figure {
  /** What the figure shows, as a file name: `accuracy-against-seconds-a-sample`. */
  name: string;
  svg: string;
}

const LIGHT = STYLE.slice(0, STYLE.indexOf("@media"));
const COLOURS = new Map<string, string>([
  ...[...LIGHT.matchAll(/--([\w-]+): ([^;]+);/g)].map(
    ([, name = "", value = ""]): [string, string] => [name, value],
  ),
  ["plot-background", "#fff"],
]);
const LONGEST_NAME = 80;

/** Returns the figures of a report's page, in their order. */
export function figuresOf(page: string): Figure[] {
  const { document } = parseHTML(page);
  const names = new Map<string, number>();
  return [...document.querySelectorAll("svg.plot")].map((figure) => {
    const label = figure.getAttribute("aria-label") ?? "figure";
    const plain = label.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-");
    const base = plain.replace(/^-|-$/g, "").slice(0, LONGEST_NAME) || "figure";
    const count = (names.get(base) ?? 0) + 1;
    names.set(base, count);
    figure.setAttribute("xmlns", "http://www.w3.org/2000/svg");
    figure.setAttribute("xmlns:xlink", "http://www.w3.org/1999/xlink");
    figure.setAttribute("color", COLOURS.get("ink") ?? "#000");
    figure.setAttribute("font-family", "system-ui, sans-serif");
    figure.setAttribute("font-size", "12");
    return {
      name: count === 1 ? base : `${base}-${count}`,
      svg: `${resolved(figure.outerHTML)}\n`,
    };
  });
}

/** Replaces CSS variables by their values, because only browsers know variables. */
function resolved(svg: string): string {
  return svg.replace(
    /var\(--([\w-]+)(?:,[^()]*)?\)/g,
    (found, name: string) => COLOURS.get(name)?.replaceAll('"', "'") ?? found,
  );
}
