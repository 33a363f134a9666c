/** The study's figures, as SVG. */
const COLORS = { best: "#9467bd", elected: "#1f77b4", guided: "#d62728", greedy: "#444" };

function svg(width, height, parts) {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="#fff"/>${parts.join("")}</svg>\n`;
}

function text(x, y, content, anchor = "start") {
  const safe = content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}" fill="#444">${safe}</text>`;
}

/**
 * Draws the gains of the pilot's method over both rivals with 95% intervals, in a row for each task and
 * budget.
 */
export function gainsFigure(tasks) {
  const rows = tasks.flatMap(({ name, sizes }) =>
    sizes.map(({ size, guided: [first] }) => ({ label: `${name}, ${size}`, ...first })),
  );
  const [left, right, top] = [150, 620, 40];
  const x = (value) => left + ((Math.max(-0.5, value) + 0.5) / 1.5) * (right - left);
  const ticks = [-0.5, 0, 0.5, 1].map(
    (value) =>
      `<path d="M${x(value)} ${top - 8}V${top + 24 * rows.length}" stroke="${value === 0 ? "#888" : "#ddd"}"/>${text(x(value), top - 14, String(value), "middle")}`,
  );
  const marks = rows.map(({ label, toBest, toVote }, i) => {
    const y = top + 24 * i + 8;
    const mark = ({ mean, ci95: [low, high] }, at, color) =>
      `<path d="M${x(low).toFixed(1)} ${at}H${x(high).toFixed(1)}" stroke="${color}" stroke-opacity=".5" stroke-width="2"/><circle cx="${x(mean).toFixed(1)}" cy="${at}" r="4" fill="${color}"/>`;
    return `${text(left - 10, y + 4, label, "end")}${mark(toBest, y - 3, COLORS.best)}${mark(toVote, y + 4, COLORS.elected)}`;
  });
  const bottom = top + 24 * rows.length + 18;
  const legend = [
    `<circle cx="${left}" cy="${bottom}" r="4" fill="${COLORS.best}"/>${text(left + 10, bottom + 4, "gain in score over the best of n")}`,
    `<circle cx="${left + 240}" cy="${bottom}" r="4" fill="${COLORS.elected}"/>${text(left + 250, bottom + 4, "over the vote")}`,
  ];
  return svg(640, bottom + 20, [...ticks, ...marks, ...legend]);
}

/** Draws scores against tokens, with the rivals as curves and the guided methods as points. */
export function scoresFigure(tasks) {
  const [width, height, columns] = [210, 170, 3];
  const parts = tasks.map(({ name, curve, sizes, references }, index) => {
    const [ox, oy] = [(index % columns) * width, Math.floor(index / columns) * height];
    const points = sizes.flatMap(({ guided }) => guided.map(({ row }) => row));
    const most = Math.max(...curve.map(({ best }) => best.tokens), ...points.map((p) => p.tokens));
    const x = (tokens) => ox + 34 + (tokens / most) * (width - 50);
    const y = (score) => oy + height - 28 - score * (height - 58);
    const line = (which) =>
      `<polyline points="${curve.map((row) => `${x(row[which].tokens).toFixed(1)},${y(row[which].score).toFixed(1)}`).join(" ")}" fill="none" stroke="${COLORS[which]}"/>`;
    const dots = points.map(
      ({ tokens, score, name: method }) =>
        `<circle cx="${x(tokens).toFixed(1)}" cy="${y(score).toFixed(1)}" r="4" fill="${COLORS.guided}"><title>${method}</title></circle>`,
    );
    const ones = references.map(
      ({ row: { tokens, score, name: method } }) =>
        `<circle cx="${x(tokens).toFixed(1)}" cy="${y(score).toFixed(1)}" r="4" fill="${COLORS.greedy}"><title>${method}</title></circle>`,
    );
    const axes = [0, 0.5, 1].map(
      (value) =>
        `<path d="M${ox + 34} ${y(value)}H${ox + width - 16}" stroke="#ddd"/>${text(ox + 28, y(value) + 4, String(value), "end")}`,
    );
    const ends = text(ox + width - 16, oy + height - 12, `${Math.round(most)} tokens`, "end");
    return `${text(ox + 34, oy + 18, name)}${axes.join("")}${line("elected")}${line("best")}${ones.join("")}${dots.join("")}${ends}`;
  });
  const bottom = Math.ceil(tasks.length / columns) * height;
  const legend = [
    ["guided", "guided"],
    ["best", "best of n"],
    ["elected", "vote"],
    ["greedy", "greedy"],
  ].map(
    ([kind, label], i) =>
      `<circle cx="${40 + 120 * i}" cy="${bottom + 10}" r="4" fill="${COLORS[kind]}"/>${text(50 + 120 * i, bottom + 14, label)}`,
  );
  return svg(width * columns, bottom + 24, [...parts, ...legend]);
}
