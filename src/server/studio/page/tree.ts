/** Draws the tree of the guidance: the candidates of each step as branches, and the chosen one. */
import { REWARD_LEVELS, rewardColor } from "../../../report/style.js";
import { el } from "./dom.js";
import { type Branch, branchesOf, type Step } from "./run.js";

/** The maximum number of branches drawn per step: those with the highest weights, and the chosen one. */
const MOST = 16;
/** The number of last steps that are drawn. */
const MOST_STEPS = 120;
const WIDTH = 92;
const ROW = 15;
const TOP = 22;

/** Returns the colour of a branch by its energy, on a scale from the lowest to the highest of its step. */
export function energyColor(branches: readonly Branch[]): (branch: Branch) => string {
  const all = branches.flatMap(({ logEnergy }) => logEnergy ?? []);
  const least = Math.min(...all);
  const range = Math.max(...all) - least;
  return ({ logEnergy }) => {
    if (logEnergy === null) return rewardColor(0);
    const share = range > 0 ? (logEnergy - least) / range : 1;
    return rewardColor(Math.round(share * (REWARD_LEVELS - 1)));
  };
}

export function energyScale(): HTMLElement {
  const levels = Array.from({ length: REWARD_LEVELS }, (_, level) =>
    el("i", { style: { background: rewardColor(level) } }),
  );
  return el("p", { class: "scale" }, "energy in its step: low", ...levels, "high");
}

export function drawTree(steps: readonly Step[]): HTMLElement {
  const skipped = Math.max(0, steps.length - MOST_STEPS);
  const drawn = steps.slice(skipped).map((step) => {
    const all = branchesOf(step);
    const shown = all.filter((branch, i) => i < MOST || branch.isChosen);
    return { shown, left: all.length - shown.length, colorOf: energyColor(all) };
  });
  const rows = Math.max(1, ...drawn.map(({ shown }) => shown.length));
  const hasRest = drawn.some(({ left }) => left > 0);
  const height = TOP + rows * ROW + (hasRest ? ROW : 0) + 6;
  const width = 20 + WIDTH * drawn.length + 20;
  const root = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img" });
  root.setAttribute(
    "aria-label",
    `Tree of the last ${drawn.length} steps; the list below says the same`,
  );
  let from = { x: 12, y: TOP + (rows * ROW) / 2 };
  for (const [i, { shown, left, colorOf }] of drawn.entries()) {
    const x = from.x + WIDTH;
    const first = TOP + ((rows - shown.length) * ROW) / 2 + ROW / 2;
    root.append(svg("text", { x: x - 4, y: 12, "text-anchor": "middle" }, `${skipped + i + 1}`));
    let next = from;
    for (const [row, branch] of shown.entries()) {
      const y = first + row * ROW;
      const middle = from.x + WIDTH * 0.55;
      const path = svg("path", {
        d: `M${from.x} ${from.y}C${middle} ${from.y} ${middle} ${y} ${x} ${y}`,
        "stroke-width": 1 + 9 * branch.weight,
        "stroke-opacity": branch.isChosen ? 1 : 0.6,
      });
      path.style.stroke = colorOf(branch);
      const dot = svg("circle", { cx: x, cy: y, r: 3 + 3 * branch.weight });
      dot.style.fill = colorOf(branch);
      if (branch.isChosen) {
        dot.setAttribute("class", "chosen");
        next = { x, y };
      }
      root.append(path, dot);
    }
    if (left > 0) {
      const y = TOP + (rows + 1) * ROW;
      root.append(svg("text", { x: x - 4, y, "text-anchor": "middle" }, `${left} more`));
    }
    from = next === from ? { x, y: from.y } : next;
  }
  const box = el("div", { class: "tree" }, root as unknown as HTMLElement);
  // The tree may be wider than its box, and must then be scrollable by keyboard.
  box.tabIndex = 0;
  box.setAttribute("role", "group");
  box.setAttribute("aria-label", "Tree of the steps");
  return box;
}

function svg(tag: string, attributes: Record<string, string | number>, text = ""): SVGElement {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.textContent = text;
  return element;
}
