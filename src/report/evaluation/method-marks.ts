/** The marks of methods. Each method has one colour and one shape, the same in every figure. */
import { type Html, html } from "../html.js";
import { seriesColor } from "../style.js";

/** Symbols that Observable Plot draws filled. */
const SHAPES = [
  "circle",
  "square",
  "triangle",
  "diamond",
  "star",
  "cross",
  "wye",
  "hexagon",
] as const;

const PATHS: Record<(typeof SHAPES)[number], string> = {
  circle: "M-5,0a5,5 0 1 0 10,0a5,5 0 1 0 -10,0",
  square: "M-4.4,-4.4h8.8v8.8h-8.8Z",
  triangle: "M0,-5.6L5,3.4H-5Z",
  diamond: "M0,-6L4,0L0,6L-4,0Z",
  star: "M0,-6L1.4,-1.9H5.7L2.2,.7L3.5,4.9L0,2.3L-3.5,4.9L-2.2,.7L-5.7,-1.9H-1.4Z",
  cross: "M-5,-1.7h3.3v-3.3h3.4v3.3h3.3v3.4h-3.3v3.3h-3.4v-3.3h-3.3Z",
  wye: "M-1.6,0L-5,-3.2L-3,-5L0,-2.4L3,-5L5,-3.2L1.6,0V5H-1.6Z",
  hexagon: "M0,-5.4L4.7,-2.7V2.7L0,5.4L-4.7,2.7V-2.7Z",
};

export function shapeOf(index: number): (typeof SHAPES)[number] {
  return SHAPES[index % SHAPES.length] as (typeof SHAPES)[number];
}

const MAX_NAME = 26;

/**
 * Returns a name of at most 26 characters for figures. Tables and titles show the whole name. A long name
 * keeps only the values of its options, because the settings of a method differ in these.
 */
export function shortName(name: string): string {
  const short = name.length > MAX_NAME ? name.replace(/:\w+=/g, ":") : name;
  return short.length > MAX_NAME ? `${short.slice(0, MAX_NAME - 1)}…` : short;
}

/** The CSS of `methodLabel`. */
export const MARK_STYLE = `.method { white-space: nowrap }
.mark { width: .85em; height: .85em; margin-right: .4em; vertical-align: -.06em }`;

/** Returns a method's name with its mark. */
export function methodLabel(name: string, index: number): Html {
  return html`<span class="method"><svg class="mark" viewBox="-7 -7 14 14" aria-hidden="true"><path d="${PATHS[shapeOf(index)]}" fill="${seriesColor(index)}"/></svg>${breakableName(name)}</span>`;
}

/** Returns a method's name with possible line breaks before each option. */
export function breakableName(name: string): Html {
  return html`${name.split(":").map((part, i) => (i === 0 ? part : html`<wbr>:${part}`))}`;
}
