/** Formats the output of `eval`: its progress and its results. */
import pc from "picocolors";
import type { Evaluation } from "../../evaluate/evaluate.js";
import type { EvaluationProgress } from "../../evaluate/progress.js";
import { wilsonInterval } from "../../evaluate/statistics/wilson.js";
import type { FailedSample, MethodSummary, Summary } from "../../evaluate/store/run-files.js";
import type { BudgetPlan } from "../../evaluate/total-budget.js";
import { number, percent } from "../../report/format.js";
import { duration, rate } from "../format.js";
import { printable } from "../printable.js";
import { canRedraw, liveText, progressBar, type Room } from "../terminal.js";

/** The interval between progress lines if standard error isn't a terminal. */
const LINE_INTERVAL_MS = 10_000;
/** The maximum number of methods on a progress line. */
const MAX_SHOWN_METHODS = 6;

interface EvalProgress {
  /** The last progress that was shown. */
  readonly last: EvaluationProgress | undefined;
  show(progress: EvaluationProgress): void;
  /** Prints a line above the bar. */
  say(message: string): void;
  /** Prints why a sample failed, once for each kind of error. */
  sayOfFailure(error: FailedSample["error"]): void;
  close(): void;
}

/**
 * Shows the progress as a bar, or with `watch` as a table. Without a terminal it prints a line, or the table,
 * every ten seconds.
 */
export function evalProgress({ watch = false } = {}): EvalProgress {
  const bar = watch ? null : progressBar();
  const table = liveText();
  let lineAt = performance.now() + LINE_INTERVAL_MS;
  let last: EvaluationProgress | undefined;
  const failures = new Set<string>();
  const close = () => (bar ?? table).close();
  const say = (message: string) => {
    close();
    console.error(printable(message));
  };
  return {
    get last() {
      return last;
    },
    show(progress) {
      last = progress;
      if (bar === null) table.draw((room) => watchTable(progress, room));
      else bar.show(shareDone(progress), formatProgress(progress));
      if (canRedraw() || performance.now() < lineAt) return;
      lineAt = performance.now() + LINE_INTERVAL_MS;
      console.error(bar === null ? watchTable(progress).join("\n") : formatProgress(progress));
    },
    say,
    sayOfFailure({ code, message }) {
      if (failures.has(code)) return;
      failures.add(code);
      say(`A sample failed: ${message} (${code})`);
    },
    close,
  };
}

/** Returns the share of the samples that are done, or of the tokens of a total budget that are spent. */
function shareDone({ done, total, budget }: EvaluationProgress): number {
  return budget === undefined ? done / Math.max(1, total) : budget.spent / budget.tokens;
}

/** `120 of 1000 samples`, or with a total budget `120 samples, 40,100 of 200,000 tokens`. */
function formatDone({ done, total, budget }: EvaluationProgress): string {
  if (budget === undefined) return `${done} of ${total} samples`;
  return `${done} samples, ${number(budget.spent)} of ${number(budget.tokens)} tokens`;
}

/** Formats the remaining time. It isn't known with a total budget, because the number of samples isn't. */
function formatLeft({ done, total, drawn, ms, budget }: EvaluationProgress): string {
  if (drawn === 0 || budget !== undefined) return "";
  return `${duration((ms / drawn) * (total - done))} left`;
}

/** `120/1000  3m 20s left  4120 tokens/s  sample 41%  ets 62%`. */
function formatProgress(progress: EvaluationProgress): string {
  const { ms, generated, methods } = progress;
  const accuracies = Object.entries(methods)
    .filter(([, { n }]) => n > 0)
    .slice(0, MAX_SHOWN_METHODS)
    .map(([name, { n, correct }]) => `${name} ${percent(correct / n)}`);
  const done = progress.budget ? formatDone(progress) : `${progress.done}/${progress.total}`;
  return [done, formatLeft(progress), rate({ generated, ms }), ...accuracies]
    .filter((part) => part !== "")
    .join("  ");
}

/** The minimum width of a method's name beside its numbers, in characters. */
const LEAST_NAME = 6;

/**
 * Returns a line for the progress of the run and one for each method's accuracy so far with its 95% interval.
 * If there is little room, it first leaves out intervals and failures, then cuts names, and only counts the
 * last methods.
 */
export function watchTable(progress: EvaluationProgress, room?: Room): string[] {
  const { ms, generated, methods } = progress;
  const { columns, rows } = room ?? { columns: Number.POSITIVE_INFINITY, rows: 1000 };
  const entries = Object.entries(methods);
  const longest = Math.max(LEAST_NAME, ...entries.map(([name]) => name.length));
  const isWide = longest + WIDTHS.numbers + WIDTHS.more <= columns;
  const width = Math.max(
    LEAST_NAME,
    Math.min(longest, columns - WIDTHS.numbers - (isWide ? WIDTHS.more : 0)),
  );
  const line = (name: string, numbers: string[], more: string[]) =>
    [cut(name, width).padEnd(width), ...numbers, ...(isWide ? more : [])].join("  ");
  const parts = [formatDone(progress), formatLeft(progress), rate({ generated, ms })];
  const state = parts.filter((part) => part !== "").join(", ");
  const shown = entries.length + 2 > rows ? entries.slice(0, Math.max(0, rows - 3)) : entries;
  const hidden = entries.length - shown.length;
  return [
    line("method", ["    n", "accuracy"], ["95% interval".padStart(15), "failed"]),
    ...shown.map(([name, { n, correct, failed }]) =>
      line(
        name,
        [String(n).padStart(5), (n === 0 ? "–" : percent(correct / n, 1)).padStart(8)],
        [(n === 0 ? "–" : intervalOf(correct, n)).padStart(15), String(failed).padStart(6)],
      ),
    ),
    ...(hidden > 0 ? [`and ${hidden} more`] : []),
    cut(state, columns),
  ];
}

/**
 * Widths in characters with the blanks before: `numbers` for `n` and `accuracy`, `more` for the interval and
 * failures.
 */
const WIDTHS = { numbers: 17, more: 25 };

function cut(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}

/** Formats what each method may spend of a total budget. */
export function formatBudget(plan: BudgetPlan): string {
  const shares = Object.entries(plan).map(
    ([name, { tokens, perSample }]) =>
      `${name} ${number(tokens)} tokens (at most ${number(perSample)} a sample)`,
  );
  return `Budget: ${shares.join(", ")}`;
}

function intervalOf(correct: number, n: number): string {
  return wilsonInterval(correct, n)
    .map((end) => percent(end, 1))
    .join(" – ");
}

export function formatEvaluation({ directory, summary, run, drawn, kept }: Evaluation): string {
  const names = Object.keys(summary.methods);
  const unit = run.budget === undefined ? "sample" : "item";
  const width = Math.max(6, ...names.map((name) => name.length));
  const head = [
    "method".padEnd(width),
    "    n",
    "accuracy",
    "95% interval",
    ...(hasScores(summary) ? ["  score"] : []),
    ...(hasRewards(summary) ? ["  reward", "best seen"] : []),
    ...(run.budget ? ["samples/item", "settled"] : []),
    `tokens/${unit}`.padStart(13),
    `s/${unit}`.padStart(9),
  ];
  const rows = Object.entries(summary.methods).map(([name, method]) =>
    row(name, width, method, summary),
  );
  const failed = Object.values(summary.methods).reduce((sum, method) => sum + method.failed, 0);
  const note = `${drawn} samples drawn, ${kept} were there; ${run.task}, graded ${run.mode}; in ${directory}`;
  return [
    pc.dim(head.join("  ")),
    ...rows,
    "",
    note,
    ...(failed > 0
      ? [pc.yellow(`${failed} samples failed and are in no row above; --resume tries them again`)]
      : []),
  ].join("\n");
}

/** Returns whether the samples of any method have rewards that don't vote. */
function hasRewards({ methods }: Summary): boolean {
  return Object.values(methods).some(({ reward }) => reward !== undefined);
}

/** Returns whether answers may be partly right. */
function hasScores({ methods }: Summary): boolean {
  return Object.values(methods).some(({ score }) => score !== undefined);
}

function row(name: string, width: number, method: MethodSummary, summary: Summary): string {
  const { n, accuracy, ci95, generated, proposal, ms, votes } = method;
  const tokens = (generated + (proposal?.generated ?? 0)) / n;
  const interval = ci95?.map((end) => percent(end, 1)).join(" – ");
  return [
    name.padEnd(width),
    String(n).padStart(5),
    pc.bold((accuracy === null ? "–" : percent(accuracy, 1)).padStart(8)),
    (interval ?? "–").padStart(12),
    ...(hasScores(summary)
      ? [(method.score === undefined ? "–" : percent(method.score, 1)).padStart(7)]
      : []),
    ...(hasRewards(summary) ? [method.reward, method.bestReward].map(rewardCell) : []),
    ...(votes
      ? [(votes.samples / n).toFixed(1).padStart(12), String(votes.settled).padStart(7)]
      : []),
    (n === 0 ? "–" : tokens.toFixed(0)).padStart(13),
    (n === 0 ? "–" : (ms / n / 1000).toFixed(2)).padStart(9),
  ].join("  ");
}

function rewardCell(mean: number | undefined, index: number): string {
  return (mean === undefined ? "–" : number(mean)).padStart(index === 0 ? 8 : 9);
}

/** Returns a line about the samples of an interrupted evaluation. */
export function formatInterrupted(out: string, progress: EvaluationProgress | undefined): string {
  if (progress === undefined)
    return `Interrupted before the first sample; nothing new is in ${out}.`;
  return `Interrupted: ${formatDone(progress)} are kept in ${out}; the same command with --resume goes on.`;
}
