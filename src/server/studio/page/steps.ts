/** Shows the steps as a list, with the weights, rollouts and answers of each branch. */
import { counted, number, percent, seconds } from "../../../report/format.js";
import { type AnswerColors, nameOf } from "../../../report/run/answer-colors.js";
import { el, folded, growing } from "./dom.js";
import { type Branch, branchesOf, type Completion, type Step, votesOf } from "./run.js";
import { energyColor } from "./tree.js";

/** Longer texts are cut. */
const MAX_TEXT = 8000;
/** The maximum number of answers that are named per branch. */
const MOST_ANSWERS = 6;

interface Placed {
  step: Step;
  index: number;
  /** The previous step. */
  before: Step | undefined;
  colors: AnswerColors;
}

export function stepItem(placed: Placed): HTMLDetailsElement {
  const { step, index, before } = placed;
  const spent = step.generated - (before?.generated ?? 0);
  const facts = [
    counted(step.candidates.length, "candidate"),
    `ESS ${step.ess.toFixed(1)}`,
    `${percent(step.agreement)} agree`,
    counted(spent, "token"),
    seconds(step.ms),
  ];
  const summary = [el("b", {}, `Step ${index + 1}`), el("span", {}, facts.join(" · "))];
  return folded(summary, () => branchList(placed), "step");
}

function branchList(placed: Placed): Node[] {
  const all = branchesOf(placed.step);
  const colorOf = energyColor(all);
  const before = placed.before?.candidates[placed.before.chosen]?.text ?? "";
  // The chosen branch comes first.
  const sorted = [...all.filter((b) => b.isChosen), ...all.filter((b) => !b.isChosen)];
  const item = (branch: Branch) => branchItem(branch, before, colorOf(branch), placed.colors);
  return growing(el("ol", { class: "branches" }), sorted, item, { first: 12, more: 100 });
}

function branchItem(branch: Branch, before: string, color: string, colors: AnswerColors) {
  const { text, weight, logEnergy, count, isChosen, hasEnded, potential, candidates } = branch;
  const completions = candidates.flatMap((candidate) => candidate.completions);
  const isWhole = completions.every(({ rollout }) => rollout === null);
  const votes = votesOf(candidates);
  const own = text.startsWith(before) ? text.slice(before.length) : text;
  const chips = votes
    .slice(0, MOST_ANSWERS)
    .map(({ answer, votes: n }) =>
      el(
        "span",
        { class: "chip" },
        el("i", { class: "swatch", style: { background: colors.of(answer) } }),
        `${nameOf(answer)}${n === 1 ? "" : ` ×${number(n)}`}`,
      ),
    );
  const item = el(
    "li",
    { class: isChosen ? "branch chosen" : "branch", style: { borderColor: color } },
    el("div", { class: "share number" }, percent(weight, 1), isChosen && el("b", {}, "chosen")),
    el(
      "div",
      {},
      el(
        "p",
        { class: "text" },
        cut(own) || "nothing",
        hasEnded && el("span", { title: "the text ends here" }, " ■"),
      ),
      el(
        "p",
        { class: "evidence number" },
        count > 1 && el("span", {}, `drawn ${number(count)}×`),
        el("span", {}, `log energy ${logEnergy === null ? "-∞" : number(logEnergy)}`),
        potential !== undefined && el("span", {}, `potential ${number(potential)}`),
        ...chips,
        votes.length > MOST_ANSWERS &&
          el("span", {}, `${votes.length - MOST_ANSWERS} other answers`),
      ),
      completions.length > 0 &&
        folded([isWhole ? "the whole text" : counted(completions.length, "rollout")], () =>
          growing(
            el("ol", { class: "rollouts" }),
            completions,
            (one) => rolloutItem(one, before, colors),
            { first: 20, more: 100 },
          ),
        ),
    ),
  );
  return item;
}

function rolloutItem(
  { text, answer = null, reward }: Completion,
  before: string,
  colors: AnswerColors,
) {
  const rest = text.startsWith(before) ? text.slice(before.length) : text;
  return el(
    "li",
    {},
    el(
      "p",
      { class: "evidence number" },
      el(
        "span",
        {},
        el("i", { class: "swatch", style: { background: colors.of(answer) } }),
        nameOf(answer),
      ),
      el("span", {}, `reward ${number(reward)}`),
    ),
    el("p", { class: "text" }, cut(rest)),
  );
}

function cut(text: string): string {
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)} …` : text;
}
