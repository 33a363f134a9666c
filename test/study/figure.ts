/** Figures by hand: log-log panels of lines and points, as SVG. */
export interface Series {
  name: string;
  color: string;
  points: readonly (readonly [x: number, y: number])[];
  /** Points of draws are dots; exact values are lines. */
  kind: "line" | "dashed" | "dots" | "diagonal";
}

export interface Panel {
  title: string;
  xLabel: string;
  yLabel: string;
  series: readonly Series[];
}

const [WIDTH, HEIGHT] = [380, 330];
const [LEFT, TOP, RIGHT, BOTTOM] = [62, 40, 14, 48];

export function draw(title: string, panels: readonly Panel[]): string {
  const legend = [...new Map(panels.flatMap((p) => p.series).map((s) => [s.name, s])).values()];
  const perRow = Math.max(1, Math.floor((WIDTH * panels.length) / 300));
  const rows = Math.ceil(legend.length / perRow);
  const height = HEIGHT + 44 + rows * 18;
  const width = WIDTH * panels.length;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">
<style>
  text { font: 11px ui-sans-serif, sans-serif; fill: #1b1b1b }
  .title { font-weight: 600; font-size: 13px }
  .tick { font-size: 10px; fill: #666 }
</style>
<rect width="${width}" height="${height}" fill="#fafafa"/>
<text x="16" y="22" class="title">${escaped(title)}</text>
${panels.map((panel, i) => `<g transform="translate(${i * WIDTH} 26)">${drawPanel(panel)}</g>`).join("\n")}
${legend.map((s, i) => drawLegend(s, 20 + (i % perRow) * 300, HEIGHT + 42 + Math.floor(i / perRow) * 18)).join("\n")}
</svg>
`;
}

function drawPanel({ title, xLabel, yLabel, series }: Panel): string {
  const all = series.flatMap(({ points }) => points).filter(([x, y]) => x > 0 && y > 0);
  const range = (values: number[]) => [Math.min(...values) / 1.25, Math.max(...values) * 1.25];
  const [x0 = 1, x1 = 1] = range(all.map(([x]) => x));
  const [y0 = 1, y1 = 1] = range(all.map(([, y]) => y));
  const place = (v: number, low: number, high: number) => Math.log(v / low) / Math.log(high / low);
  const x = (v: number) => LEFT + place(v, x0, x1) * (WIDTH - LEFT - RIGHT);
  const y = (v: number) => HEIGHT - BOTTOM - place(v, y0, y1) * (HEIGHT - TOP - BOTTOM);
  const xTicks = ticks(x0, x1).map(
    (v) => `<path d="M${n(x(v))},${TOP} V${HEIGHT - BOTTOM}" stroke="#e4e4e4"/>
<text class="tick" x="${n(x(v))}" y="${HEIGHT - BOTTOM + 14}" text-anchor="middle">${v}</text>`,
  );
  const yTicks = ticks(y0, y1).map(
    (v) => `<path d="M${LEFT},${n(y(v))} H${WIDTH - RIGHT}" stroke="#e4e4e4"/>
<text class="tick" x="${LEFT - 5}" y="${n(y(v) + 3)}" text-anchor="end">${v}</text>`,
  );
  const drawn = series.map(({ points, color, kind }) => {
    const visible = points.filter(([a, b]) => a > 0 && b > 0);
    if (kind === "dots") {
      return visible
        .map(
          ([a, b]) =>
            `<circle cx="${n(x(a))}" cy="${n(y(b))}" r="3.5" fill="${color}" fill-opacity=".8"/>`,
        )
        .join("");
    }
    const path = visible
      .map(([a, b], i) => `${i === 0 ? "M" : "L"}${n(x(a))},${n(y(b))}`)
      .join(" ");
    const dash = kind === "line" ? "" : ' stroke-dasharray="5 4"';
    return `<path d="${path}" fill="none" stroke="${color}" stroke-width="1.8"${dash}/>`;
  });
  const middle = (TOP + HEIGHT - BOTTOM) / 2;
  return `${xTicks.join("")}${yTicks.join("")}
<rect x="${LEFT}" y="${TOP}" width="${WIDTH - LEFT - RIGHT}" height="${HEIGHT - TOP - BOTTOM}" fill="none" stroke="#999"/>
${drawn.join("\n")}
<text x="${LEFT}" y="${TOP - 9}" class="title" style="font-size:11.5px">${escaped(title)}</text>
<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 12}" text-anchor="middle">${escaped(xLabel)}</text>
<text transform="translate(15 ${middle}) rotate(-90)" text-anchor="middle">${escaped(yLabel)}</text>`;
}

function drawLegend({ name, color, kind }: Series, x: number, y: number): string {
  const dash = kind === "line" ? "" : ' stroke-dasharray="5 4"';
  const mark =
    kind === "dots"
      ? `<circle cx="${x + 11}" cy="${y - 4}" r="3.5" fill="${color}"/>`
      : `<path d="M${x},${y - 4} h22" stroke="${color}" stroke-width="1.8"${dash}/>`;
  return `${mark}<text x="${x + 28}" y="${y}">${escaped(name)}</text>`;
}

/** 1, 2, 4, … over a small range of whole numbers; else decades with their 2 and 5. */
function ticks(low: number, high: number): number[] {
  const powers = Array.from({ length: 12 }, (_, i) => 2 ** i).filter((v) => v >= low && v <= high);
  if (low > 0.5) return powers;
  const steps = high / low > 200 ? [1] : [1, 2, 5];
  return Array.from({ length: 8 }, (_, i) => -6 + i)
    .flatMap((e) => steps.map((s) => Number((s * 10 ** e).toPrecision(1))))
    .filter((v) => v >= low && v <= high);
}

const n = (v: number) => v.toFixed(1);
const escaped = (s: string) => s.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
