// Usage: node docs/draw-answer.mjs TRACE.json > docs/guided-answer.svg
//
// Draws one guided answer from its trace (`llama-ets ask … --trace TRACE.json`): a column a step,
// a box a candidate, its weight as the box's bar, its rollouts' answers as dots.
import { readFileSync } from "node:fs";
import { canonicalAnswer, extractAnswer } from "llama-ets";

const trace = JSON.parse(readFileSync(process.argv[2], "utf8"));
const WIDTH = 300;
const HEIGHT = 46;
const GAP = 10;
const COLORS = ["#2a78d6", "#d9822b", "#7a52c7", "#3a9a5b", "#c0392b", "#7f8c8d"];

const answers = [];
/** One colour an answer, in the order they appear. */
function colorOf(text) {
  const found = extractAnswer(text);
  if (found === null) return "#bbb";
  const answer = canonicalAnswer(found);
  if (!answers.includes(answer)) answers.push(answer);
  return COLORS[answers.indexOf(answer) % COLORS.length];
}

const escapeXml = (text) =>
  text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/"/g, "&quot;");
const shorten = (text, length) => (text.length > length ? `${text.slice(0, length - 1)}…` : text);

/** The part of a candidate's text that its step drew. */
function blockOf(step, candidate) {
  const before = trace.steps[step - 1];
  const prefix = before === undefined ? "" : before.candidates[before.chosen].text;
  return candidate.text.slice(prefix.length).replace(/\n/g, " ⏎ ");
}

function drawCandidate(step, m) {
  const { candidates, weights, chosen } = trace.steps[step];
  const candidate = candidates[m];
  const [x, y] = [step * (WIDTH + 40) + 20, m * (HEIGHT + GAP) + 60];
  const isChosen = m === chosen;
  const dots = candidate.completions.map((c, i) => {
    const size = 3 + 2 * Math.sqrt(c.votes);
    const at = `cx="${x + 16 + i * 22}" cy="${y + 30}"`;
    return `<circle ${at} r="${size}" fill="${colorOf(c.text)}"/>`;
  });
  const repeated = candidate.completions.length === 0 ? "same as one above" : "";
  return `<g>
  <rect x="${x}" y="${y}" width="${WIDTH}" height="${HEIGHT}" rx="6" fill="#fff" stroke="${isChosen ? "#1b1b1b" : "#ccc"}" stroke-width="${isChosen ? 2 : 1}"/>
  <rect x="${x}" y="${y + HEIGHT - 5}" width="${WIDTH * weights[m]}" height="5" rx="2" fill="#1b1b1b" opacity=".75"/>
  <text x="${x + 8}" y="${y + 16}" class="text">${escapeXml(shorten(blockOf(step, candidate), 46))}</text>
  <text x="${x + 8}" y="${y + 34}" class="note">${repeated}</text>
  <text x="${x + WIDTH - 8}" y="${y + 34}" class="note" text-anchor="end">${(100 * weights[m]).toFixed(1)}%</text>
  ${dots.join("\n  ")}
</g>`;
}

function drawArrow(step) {
  const { chosen } = trace.steps[step];
  const [x, y] = [step * (WIDTH + 40) + 20 + WIDTH, chosen * (HEIGHT + GAP) + 60 + HEIGHT / 2];
  return `<path d="M${x},${y} h34 m-7,-5 l7,5 l-7,5" fill="none" stroke="#1b1b1b" stroke-width="2"/>`;
}

const columns = trace.steps.map((step, s) => {
  const title = `step ${s + 1}: ESS ${step.ess.toFixed(1)}, ${Math.round(100 * step.agreement)}% agree`;
  const boxes = step.candidates.map((_, m) => drawCandidate(s, m)).join("\n");
  const arrow = s + 1 < trace.steps.length ? drawArrow(s) : "";
  return `<text x="${s * (WIDTH + 40) + 20}" y="48" class="title">${title}</text>\n${boxes}\n${arrow}`;
});
const width = trace.steps.length * (WIDTH + 40);
const rows = Math.max(...trace.steps.map(({ candidates }) => candidates.length));
const height = rows * (HEIGHT + GAP) + 100;
const legend = answers
  .map((answer, i) => {
    const x = 20 + i * 90;
    return `<circle cx="${x + 6}" cy="${height - 18}" r="6" fill="${COLORS[i % COLORS.length]}"/><text x="${x + 18}" y="${height - 14}" class="text">${escapeXml(answer)}</text>`;
  })
  .join("\n");
console.log(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">
<style>
  .text { font: 11px ui-monospace, monospace; fill: #1b1b1b }
  .note { font: 10px ui-sans-serif, sans-serif; fill: #777 }
  .title { font: 600 12px ui-sans-serif, sans-serif; fill: #1b1b1b }
</style>
<rect width="${width}" height="${height}" fill="#fafafa"/>
<text x="20" y="24" class="title">${escapeXml(shorten(trace.question ?? trace.prompt.text.replace(/<\|[^|]*\|>(user|assistant)?/g, " ").trim(), 150))}</text>
${columns.join("\n")}
${legend}
</svg>`);
