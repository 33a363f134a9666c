/** The figures of one answer's report. */
import { number, percent } from "../format.js";
import type { Html } from "../html.js";
import { drawFigure } from "../plot.js";
import { type AnswerColors, nameOf } from "./answer-colors.js";
import { rangeText } from "./rewards.js";
import type { Branch, Story, StoryStep } from "./story.js";
import type { Tones } from "./tones.js";

/** Width of the small figures, in pixels. */
const SMALL = 340;
/** The columns of `drawPath` share the width `all`, within these bounds in pixels. */
const COLUMNS = { all: 640, least: 112, most: 180 };
const ROW = 34;

interface Node {
  x: number;
  y: number;
  branch: Branch;
  step: StoryStep;
}

/**
 * Draws the path to the answer with a column per step and a circle per candidate. A circle's size shows the
 * candidate's weight. Its colour shows the answer of most of its rollouts, or their reward. Lines start at
 * the candidate that was kept.
 */
export function drawPath(story: Story, tones: Tones): Promise<Html> {
  const nodes = story.steps.flatMap((step) =>
    step.branches.map(
      (branch, i): Node => ({
        x: step.number,
        y: i - (step.branches.length - 1) / 2,
        branch,
        step,
      }),
    ),
  );
  const start = { x: 0, y: 0 };
  const links = (story.isGuided ? nodes : []).map((node) => ({
    from: nodes.find(({ x, branch }) => x === node.x - 1 && branch.isChosen) ?? start,
    to: node,
  }));
  const rows = Math.max(...story.steps.map(({ branches }) => branches.length));
  const columns = story.steps.length + 1.25;
  const chosen = nodes.filter(({ branch }) => branch.isChosen);
  return drawFigure("The way to the answer, step by step", (plot) => ({
    width: columns * Math.min(COLUMNS.most, Math.max(COLUMNS.least, COLUMNS.all / columns)),
    height: rows * ROW + 64,
    margin: 0,
    marginTop: 38,
    marginBottom: 14,
    x: { domain: [-0.35, story.steps.length + 0.9], axis: null },
    y: { domain: [-rows / 2, rows / 2], axis: null, reverse: true },
    r: { type: "sqrt", domain: [0, 1], range: [3, 13] },
    marks: [
      plot.link(links, {
        x1: ({ from }) => from.x,
        y1: ({ from }) => from.y,
        x2: ({ to }) => to.x,
        y2: ({ to }) => to.y,
        curve: "bump-x",
        stroke: "currentColor",
        strokeWidth: ({ to }) => (to.branch.isChosen ? 2.5 : 1),
        strokeOpacity: ({ to }) => (to.branch.isChosen ? 0.75 : 0.18),
      }),
      plot.dot(nodes, {
        x: "x",
        y: "y",
        r: ({ branch }: Node) => branch.weight,
        fill: ({ branch }: Node) => tones.ofBranch(branch),
        title: (node: Node) => describe(node, tones),
        href: ({ step }: Node) => `#step-${step.number}`,
      }),
      plot.dot(chosen, {
        x: "x",
        y: "y",
        r: ({ branch }: Node) => Math.min(1, branch.weight + 0.15),
        stroke: "currentColor",
        strokeWidth: 1.8,
        pointerEvents: "none",
      }),
      plot.text(story.isGuided ? [start] : [], {
        x: "x",
        y: "y",
        text: () => "question",
        dy: -14,
        fontSize: 12,
      }),
      plot.text(story.steps, {
        x: "number",
        frameAnchor: "top",
        text: ({ number: n }: StoryStep) => `step ${n}`,
        dy: -32,
        lineAnchor: "top",
        fontWeight: 600,
        fontSize: 12,
      }),
      plot.text(chosen, {
        x: "x",
        y: "y",
        text: ({ branch }: Node) => percent(branch.weight),
        dy: -21,
        fontSize: 11,
        fill: "currentColor",
        stroke: "var(--card)",
        strokeWidth: 4,
      }),
      plot.text(chosen.slice(-1), {
        x: "x",
        y: "y",
        text: ({ branch }: Node) => tones.labelOf(story, branch),
        dx: 22,
        textAnchor: "start",
        fontSize: 15,
        fontWeight: 600,
      }),
    ],
  }));
}

function describe({ branch, step }: Node, { byAnswer }: Tones): string {
  const { block, count, weight, isChosen } = branch;
  const kept = isChosen ? ", kept" : "";
  const votes = branch.votes.map((v) => `${nameOf(v.answer)} ×${number(v.votes)}`).join(", ");
  const worth = byAnswer ? votes : worthOf(branch);
  return `step ${step.number}: ${count} of ${step.candidates} candidates, ${percent(weight, 1)}${kept}\n${block.trim()}\n→ ${worth}`;
}

function worthOf({ rewards, potential }: Branch): string {
  if (rewards !== null) return `reward ${rangeText(rewards)}`;
  return potential === null ? "unfinished" : `potential ${number(potential)}`;
}

/** Returns [0, 1] if all rewards are within it, and otherwise the range of the rewards. */
function rewardDomain({ rewards }: Story): [number, number] {
  const { min, max } = rewards ?? { min: 0, max: 1 };
  if (min >= 0 && max <= 1) return [0, 1];
  const margin = min === max ? Math.abs(max) / 2 : 0;
  return [min - margin, max + margin];
}

/** Returns the options of a figure with a row for each step. */
function rowOfEachStep({ steps }: Story) {
  return {
    width: SMALL,
    height: steps.length * 30 + 52,
    marginBottom: 40,
    marginLeft: 56,
    marginTop: 6,
    y: { label: null, domain: steps.map(({ number: n }) => `step ${n}`), padding: 0.25 },
  };
}

/** Draws the rewards of each step's finished texts: their range and their mean. */
export function drawRewards(story: Story, tones: Tones): Promise<Html> {
  const rows = story.steps.flatMap(({ number: n, rewards }) =>
    rewards === null ? [] : [{ step: `step ${n}`, ...rewards }],
  );
  return drawFigure("Rewards of the finished texts, by step", (plot) => ({
    ...rowOfEachStep(story),
    marginRight: 16,
    x: {
      domain: rewardDomain(story),
      label: "reward",
      labelAnchor: "center",
      labelArrow: "none",
      ticks: 5,
      grid: true,
    },
    marks: [
      plot.ruleY(rows, {
        x1: "min",
        x2: "max",
        y: "step",
        stroke: "currentColor",
        strokeOpacity: 0.35,
        strokeWidth: 5,
        strokeLinecap: "round",
      }),
      plot.dot(rows, {
        x: "mean",
        y: "step",
        r: 6,
        fill: ({ mean }) => tones.rewards.of(mean),
        stroke: "var(--card)",
        title: ({ step, ...range }) => `${step}: ${rangeText(range)}`,
      }),
    ],
  }));
}

/** Draws the votes of each step's rollouts, which shows how the vote changed. */
export function drawVotes(story: Story, colors: AnswerColors): Promise<Html> {
  const bars = story.steps.flatMap((step) => {
    let from = 0;
    return colors.merge(step.votes).map((vote) => {
      from += vote.share;
      return { step: `step ${step.number}`, from: from - vote.share, to: from, ...vote };
    });
  });
  return drawFigure("Share of each answer among the rollouts, by step", (plot) => ({
    ...rowOfEachStep(story),
    marginRight: 12,
    x: {
      domain: [0, 100],
      percent: true,
      label: "share of the votes (%)",
      labelAnchor: "center",
      labelArrow: "none",
      ticks: 5,
    },
    marks: [
      plot.barX(bars, {
        x1: "from",
        x2: "to",
        y: "step",
        fill: ({ label }) => colors.byLabel(label),
        stroke: "var(--paper)",
        title: ({ label, votes, share }) => `${label}: ${number(votes)} votes, ${percent(share)}`,
      }),
      plot.text(
        bars.filter(({ share, label }) => share > 0.03 + 0.02 * label.length),
        {
          x: ({ from, to }) => (from + to) / 2,
          y: "step",
          text: "label",
          fill: "var(--paper)",
          fontWeight: 600,
          fontSize: 11,
        },
      ),
    ],
  }));
}

/**
 * Draws the effective sample sizes: how evenly the weights were spread. It is 1 if one candidate has all the
 * weight.
 */
export function drawSampleSizes({ steps }: Story): Promise<Html> {
  const most = Math.max(...steps.map(({ candidates }) => candidates));
  return drawFigure("Effective sample size of the weights, by step", (plot) => ({
    width: SMALL,
    height: 210,
    marginLeft: 44,
    marginRight: 12,
    marginBottom: 40,
    x: { label: "step", labelAnchor: "center", labelArrow: "none", padding: 0.35 },
    y: {
      domain: [0, most],
      label: "↑ effective candidates",
      labelArrow: "none",
      ticks: 5,
      grid: true,
    },
    marks: [
      plot.barY(steps, { x: "number", y: "candidates", fill: "var(--soft)" }),
      plot.barY(steps, {
        x: "number",
        y: "ess",
        fill: "var(--series-0)",
        title: ({ number: n, ess, candidates }: StoryStep) =>
          `step ${n}: ${ess.toFixed(1)} of ${candidates}`,
      }),
      plot.ruleY([0]),
    ],
  }));
}

/** Draws the tokens that each step generated. */
export function drawTokens({ steps }: Story): Promise<Html> {
  return drawFigure("Tokens generated, by step", (plot) => ({
    width: SMALL,
    height: 210,
    marginLeft: 52,
    marginRight: 12,
    marginBottom: 40,
    x: { label: "step", labelAnchor: "center", labelArrow: "none", padding: 0.35 },
    y: { label: "↑ tokens generated", labelArrow: "none", ticks: 5, grid: true },
    marks: [
      plot.barY(steps, {
        x: "number",
        y: "generated",
        fill: "var(--series-2)",
        title: ({ number: n, generated, ms }: StoryStep) =>
          `step ${n}: ${number(generated)} tokens, ${Math.round(ms)} ms`,
      }),
      plot.ruleY([0]),
    ],
  }));
}
