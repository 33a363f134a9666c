/** The card of a run: its growing text, its answer and votes, its tree, steps and tokens. */
import { counted, number, percent, seconds } from "../../../report/format.js";
import { AnswerColors, nameOf } from "../../../report/run/answer-colors.js";
import { el, folded } from "./dom.js";
import { type Run, type Step, votesOf } from "./run.js";
import { stepItem } from "./steps.js";
import { tokenView } from "./tokens.js";
import { drawTree, energyScale } from "./tree.js";

const STATES: Record<Run["state"], string> = {
  waiting: "waits for its turn",
  running: "is drawn",
  done: "",
  cancelled: "cancelled",
  failed: "failed",
};
const MOST_VOTES = 8;

export class RunView {
  readonly element = el("article", { class: "run card" });
  readonly #run: Run;
  readonly #state = el("span", { class: "state" });
  readonly #answer = el("div");
  readonly #thoughts = el("div");
  readonly #committed = el("span");
  readonly #draft = el("span", { class: "draft" });
  readonly #tree = el("div");
  readonly #steps = el("div");
  readonly #tokens = el("div");
  /** The answers in the order in which they came. */
  readonly #answers = new Set<string | null>();
  #latest: HTMLDetailsElement | undefined;
  #drawnSteps = 0;
  #isDue = false;

  constructor(run: Run) {
    this.#run = run;
    this.element.setAttribute("aria-label", `${run.method}: answer`);
    this.element.append(
      el("h2", {}, run.method, this.#state),
      el("p", { class: "question" }, run.question),
      this.#answer,
      this.#thoughts,
      el("p", { class: "text answer-text" }, this.#committed, this.#draft),
      this.#tree,
      this.#steps,
      this.#tokens,
    );
    this.update();
  }

  /** Schedules a draw, at most one per frame. */
  update(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    requestAnimationFrame(() => {
      this.#isDue = false;
      this.draw();
    });
  }

  /** Draws immediately, so that the answer is visible when the end of the run is announced. */
  draw(): void {
    const { state, thoughts, text, draft, steps } = this.#run;
    const isOpen = state === "waiting" || state === "running";
    this.element.classList.toggle("running", state === "running");
    this.element.setAttribute("aria-busy", String(isOpen));
    this.#state.textContent = STATES[state];
    this.#committed.textContent = text;
    this.#draft.textContent = draft;
    if (thoughts !== "") this.#drawThoughts(thoughts);
    if (steps.length > this.#drawnSteps) this.#drawSteps();
    if (!isOpen) this.#drawEnd();
  }

  #drawThoughts(thoughts: string): void {
    if (this.#thoughts.firstChild === null) {
      this.#thoughts.append(
        el("details", {}, el("summary", {}, "Thoughts"), el("p", { class: "text draft" })),
      );
    }
    const shown = this.#thoughts.querySelector("p");
    if (shown) shown.textContent = thoughts;
  }

  /** Returns the colours of the answers. An answer keeps its colour when later ones come. */
  #colors(): AnswerColors {
    return new AnswerColors([...this.#answers]);
  }

  #drawSteps(): void {
    const { steps } = this.#run;
    for (const { candidates } of steps.slice(this.#drawnSteps)) {
      for (const { answer } of votesOf(candidates)) this.#answers.add(answer);
    }
    const colors = this.#colors();
    const title = el("h3", {}, "Steps of the guidance");
    const tree = drawTree(steps);
    this.#tree.replaceChildren(title, tree, energyScale());
    tree.scrollLeft = tree.scrollWidth;
    const added = steps.slice(this.#drawnSteps).map((step: Step, i) => {
      const index = this.#drawnSteps + i;
      return stepItem({ step, index, before: steps[index - 1], colors });
    });
    this.#drawnSteps = steps.length;
    this.#steps.append(...added);
    const last = added.at(-1);
    if (last === undefined) return;
    // Only the latest step is open automatically. Steps that the reader has opened stay open.
    if (this.#latest) this.#latest.open = false;
    last.open = true;
    this.#latest = last;
  }

  #drawEnd(): void {
    const { error, guidance, steps, tokens } = this.#run;
    const parts: Node[] = [];
    if (error !== null) {
      const warning = el("p", { class: "warning" }, error);
      warning.setAttribute("role", "alert");
      parts.push(warning);
    }
    if (guidance !== null) {
      if (guidance.answer) parts.push(el("p", { class: "answer" }, guidance.answer));
      const votes = guidance.votes ?? votesOf(steps.at(-1)?.candidates ?? []);
      if (votes.some(({ answer }) => answer !== null)) parts.push(this.#votes(votes));
      parts.push(this.#facts());
      parts.push(...(guidance.warnings ?? []).map((text) => el("p", { class: "warning" }, text)));
    }
    this.#answer.replaceChildren(...parts);
    if (tokens.length > 0) {
      this.#tokens.replaceChildren(el("h3", {}, "Tokens of the answer"), tokenView(tokens));
    }
  }

  #votes(votes: readonly { answer: string | null; votes: number }[]): HTMLElement {
    const colors = this.#colors();
    const all = votes.reduce((sum, { votes: n }) => sum + n, 0);
    const items = votes.slice(0, MOST_VOTES).map(({ answer, votes: n }) => {
      const width = `${all > 0 ? (100 * n) / all : 0}%`;
      const bar = el("span", { class: "bar", style: { width, background: colors.of(answer) } });
      const share = `${number(n)} (${percent(all > 0 ? n / all : 0)})`;
      return el(
        "li",
        {},
        el("span", {}, nameOf(answer)),
        el("span", {}, bar),
        el("span", {}, share),
      );
    });
    const left = votes.length - items.length;
    if (left > 0) items.push(el("li", {}, el("span", {}, counted(left, "other answer"))));
    const list = el("ul", { class: "votes number" }, ...items);
    list.setAttribute("aria-label", "Votes of the last step");
    return list;
  }

  #facts(): HTMLElement {
    const { guidance, steps } = this.#run;
    const { agreement, reward, ms, tokens, seed } = guidance ?? {};
    const last = steps.at(-1);
    const facts: [string, string | undefined][] = [
      ["agreement", agreement === undefined ? undefined : percent(agreement)],
      ["reward", typeof reward === "number" ? number(reward) : undefined],
      ["ESS, last step", last?.ess.toFixed(1)],
      ["steps", steps.length > 0 ? number(steps.length) : undefined],
      ["tokens drawn", tokens === undefined ? undefined : number(tokens.generated)],
      ["seconds", ms === undefined ? undefined : seconds(ms)],
      ["seed", seed === undefined ? undefined : String(seed)],
    ];
    const shown = facts.flatMap(([name, value]) =>
      value === undefined ? [] : [el("div", {}, el("dt", {}, name), el("dd", {}, value))],
    );
    const list = el("dl", { class: "facts" }, ...shown);
    if (guidance?.law === undefined) return list;
    const law = folded(["What this text is a sample of"], () => [
      el("p", { class: "note" }, guidance.law),
    ]);
    return el("div", {}, list, law);
  }
}
