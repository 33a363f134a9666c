const [WIDTH, HEIGHT] = [640, 400];
const BOX = { left: 56, right: 620, top: 24, bottom: 350 };
const COLORS = {
  sample: "#888888",
  majority: "#1f77b4",
  "best-of-n": "#9467bd",
  "ETS, paper": "#d62728",
  ETS: "#ff7f0e",
  "ETS-IS": "#8c564b",
  "adaptive ETS": "#2ca02c",
};

/** Plots accuracy with 95% intervals against generated tokens per answer on a logarithmic axis. */
export function frontierPlot(points) {
  const tokens = points.map(({ generated }) => Math.log2(generated));
  const [left, right] = [Math.floor(Math.min(...tokens)), Math.ceil(Math.max(...tokens))];
  const low = Math.floor(Math.min(...points.map(({ ci95 }) => ci95[0])) * 10) / 10;
  const high = Math.ceil(Math.max(...points.map(({ ci95 }) => ci95[1])) * 10) / 10;
  const x = (generated) =>
    BOX.left + ((Math.log2(generated) - left) / (right - left)) * (BOX.right - BOX.left);
  const y = (accuracy) => BOX.bottom - ((accuracy - low) / (high - low)) * (BOX.bottom - BOX.top);
  const xTicks = Array.from({ length: right - left + 1 }, (_, i) => 2 ** (left + i));
  const yTicks = Array.from({ length: Math.round((high - low) * 20) + 1 }, (_, i) => low + i / 20);
  const axes = [
    ...xTicks.map((t) => tick(x(t), BOX.bottom + 16, "middle", String(t))),
    ...yTicks.map(
      (t) =>
        `<path d="M${BOX.left} ${y(t).toFixed(1)}H${BOX.right}" stroke="#ddd"/>` +
        tick(BOX.left - 6, y(t) + 4, "end", `${Math.round(100 * t)}%`),
    ),
    tick((BOX.left + BOX.right) / 2, HEIGHT - 14, "middle", "generated tokens an answer"),
  ];
  const groups = Object.keys(COLORS).map((group, i) => {
    const own = points
      .filter((point) => point.group === group)
      .toSorted((a, b) => a.generated - b.generated);
    const color = COLORS[group];
    const path = own.map((p) => `${x(p.generated).toFixed(1)},${y(p.accuracy).toFixed(1)}`);
    const marks = own.map(({ generated, accuracy, ci95: [from, to], name }) => {
      const at = x(generated).toFixed(1);
      return (
        `<path d="M${at} ${y(from).toFixed(1)}V${y(to).toFixed(1)}" stroke="${color}" stroke-opacity=".4"/>` +
        `<circle cx="${at}" cy="${y(accuracy).toFixed(1)}" r="4" fill="${color}"><title>${name}</title></circle>`
      );
    });
    const legend = `<circle cx="${BOX.right - 110}" cy="${BOX.bottom - 120 + 17 * i}" r="4" fill="${color}"/>${tick(BOX.right - 100, BOX.bottom - 116 + 17 * i, "start", group)}`;
    const line =
      group === "majority"
        ? `<polyline points="${path.join(" ")}" fill="none" stroke="${color}"/>`
        : "";
    return line + marks.join("") + legend;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="#fff"/>${axes.join("")}${groups.join("")}</svg>\n`;
}

function tick(x, y, anchor, text) {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}" fill="#444">${text}</text>`;
}
