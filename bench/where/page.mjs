/** Generates docs/where-guidance-pays.md from the outcomes of the study. */
import { fixed, markdownTable } from "../lib/table.mjs";
import { isWon } from "./results.mjs";

const signed = (x) => `${x < 0 ? "−" : "+"}${Math.abs(x).toFixed(2)}`;
const bounds = ([low, high]) => `[${signed(low)}, ${signed(high)}]`;
/** Rounds a number, without the sign of -0.00. */
const signless = (x) => fixed(x, 2).replace(/^-(?=0\.00$)/, "");
const gain = ({ mean, ci95 }) => `${signed(mean)} ${bounds(ci95)}`;

/** Formats a p-value as ".012"; a dash if there is no test. */
function pValue(p) {
  if (p === undefined) return "–";
  if (p < 0.001) return "< .001";
  return p > 0.9995 ? "1" : p.toFixed(3).slice(1);
}

export function page({ tasks, tests, regret, models, options, also }) {
  const counted = tasks.filter(({ entry }) => entry.isCounted !== false);
  const won = counted.filter(isWon).map(({ name }) => name);
  return `${[
    "# Where guidance pays",
    opening(won, counted, tests),
    bestTable(counted),
    HOW_TO_READ,
    "![Gains over the best of n and over the vote](study/where-gains.svg)",
    autoSection(regret),
    "## What was measured",
    measured(tasks, options, models),
    ...tasks.map(taskSection),
    ...(also === null ? [] : [alsoSection(also)]),
    "![Scores by tokens](study/where-scores.svg)",
    NOT_KNOWN,
    again(options, tasks),
  ].join("\n\n")}\n`;
}

function opening(won, counted, tests) {
  const lost = counted.map(({ name }) => name).filter((name) => !won.includes(name));
  const those = (names) => names.map((name) => `[${name}](#${name})`).join(", ");
  const found =
    won.length === 0
      ? "On no task is the pilot's method told from both rivals."
      : `On ${won.length} of ${counted.length} tasks the method is better than both at some budget, after Holm's correction of all ${tests} tests: ${those(won)}.`;
  const rest =
    lost.length > 0 && won.length > 0
      ? ` On ${those(lost)} the study can't tell it from them.`
      : "";
  return `This page says which method to take, by what you know of a good answer. At each budget it compares the method that a pilot chose with the best of n and with a vote, which draw at least as many tokens. ${found}${rest}${besides(counted, won)}`;
}

/**
 * Returns notes for readers of the table: where the gain comes from the constraint, and where one text is
 * enough.
 */
function besides(counted, won) {
  const link = (tasks) => tasks.map(({ name }) => `[${name}](#${name})`).join(", ");
  const constrained = counted.filter(
    ({ name, sizes }) => won.includes(name) && sizes[0].guided[0].row.name.includes("constraint"),
  );
  const asGood = counted.filter(({ references }) =>
    references.some(({ gain: over }) => over.ci95[0] <= 0),
  );
  const parts = [
    constrained.length > 0 &&
      `On ${link(constrained)} the gain comes from the constraint, which the rivals don't have.`,
    asGood.length > 0 &&
      `On ${link(asGood)} the study can't tell the method from one greedy text, which takes a quarter or less of the smaller budget: there guidance repairs what sampling at .7 loses.`,
  ].filter(Boolean);
  return parts.map((part) => ` ${part}`).join("");
}

function bestTable(tasks) {
  return markdownTable(
    [
      "task",
      "what you know",
      "budget",
      "take",
      "score",
      "best of n",
      "vote",
      "gain over best of n",
      "p",
    ],
    tasks.flatMap(({ name, entry, sizes }) =>
      sizes.map(({ guided: [{ row, rivals, toBest, holm }] }) => [
        ...[`[${entry.title}](#${name})`, entry.known, `${fixed(row.tokens, 0)} tokens`],
        ...[`\`${methodOf(row.name)}\`, ${settingsOf(row.name)}`, fixed(row.score, 2)],
        ...[fixed(rivals.best.score, 2), fixed(rivals.elected.score, 2), gain(toBest)],
        pValue(holm),
      ]),
    ),
  );
}

const methodOf = (name) => name.split(",")[0];
const settingsOf = (name) => name.split(", ").slice(1).join(", ") || "defaults";

const HOW_TO_READ = `A score is from 0 to 1: the share of the words, fields or instructions that are right, VADER's tone, or whether the
answer is right. Gains are paired over items, with 95% intervals (Student's; Bonett and Price's where a score is right or wrong). "Take" is the method
that a pilot chose on other items than those measured, so nothing is chosen by what it is measured on. [Another
page](beside-rivals.md) has three of the tasks beside genlm-control and its-hub.`;

function autoSection(regret) {
  if (regret.rows.length === 0 || regret.tasks.length === 0) return "## auto\n\nNot measured yet.";
  const columns = [
    "method",
    "mean regret",
    "95% interval",
    "more than auto's",
    ...regret.tasks.map(({ name }) => name),
  ];
  const rows = regret.rows.map(({ method, regret: mean, ci95, overAuto, each }) => [
    ...[
      method,
      signless(mean),
      `[${ci95.map(signless).join(", ")}]`,
      method === "auto" ? "" : bounds(overAuto),
    ],
    ...each.map(signless),
  ]);
  const items = regret.tasks.map(({ name, count }) => `${name} ${count}`).join(", ");
  return `## auto

\`method: "auto"\` goes by what the options tell of a good answer ([methods](methods.md#auto)). On held-out items of each task, at
the larger budget, its regret is the best method's mean score minus its own, scaled so that one sample has about 1 and the best 0:

${markdownTable(columns, rows)}

${notTold(regret)}Items: ${items}. \`particle\` has the task's potential, and α = 4 where there is none; ", constraint" is the same
method with the task's constraint too, where there is one. Intervals are the bootstrap's over items, with the same items for all methods; the best of each task is
chosen on the same items, which raises every regret a little. The rules of \`auto\` were written when the rows of an earlier, smaller
run had been seen, and have not been changed since; texts of held-out items were drawn after.${seenText(regret)}`;
}

/** Names the fixed methods whose regret doesn't differ significantly from that of `auto`. */
function notTold({ rows }) {
  const alike = rows.filter(
    ({ method, overAuto: [low, high] }) => method !== "auto" && low <= 0 && high >= 0,
  );
  if (alike.length === 0) return "";
  const names = alike.map(({ method }) => `\`${method}\``).join(", ");
  return `The regret of ${names} isn't told from that of \`auto\` by so few items. `;
}

/** Describes the held-out items that were used before the study was corrected. */
function seenText({ tasks }) {
  const seen = tasks.filter(({ seen: count }) => count > 0);
  if (seen.length === 0) return "";
  const names = seen.map(({ name, seen: count }) => `${count} of ${name}`).join(", ");
  return ` Others had been held out
before (${names}): there \`auto\` had been given the temperature .7 of all methods, which its rule for likely texts sets to 1, and
had a regret of .07 on votes, .00 on verified and .40 on chains.`;
}

function measured(tasks, { sizes, seed }, models) {
  const named = [...new Set(models.values())].join(" and ");
  const pilots = tasks.map(({ name, entry }) => `${name} ${entry.sizes.pilot}`).join(", ");
  return `${named}, one thread, temperature .7, seed ${seed}. Guided methods have ${sizes.join(" and ")} candidates; the best of n and the vote
choose among the first n of one pool of ten texts; n is the smallest number whose mean tokens are at least the guided method's. Where
texts can't be compared, the vote takes the first text, or one that came twice. Pilot, study and held-out items are disjoint. Their
numbers were set before any row was looked at, except for the word problems that are held out now. The pilot (${pilots} items) had the smaller size, and chose by the mean score.

A p-value tests the hypothesis that the method's mean score is the same as that of one of the two rivals. It is the larger of two
two-sided sign-flip tests over items, with Holm's correction among all tasks and both budgets, because the table above makes a claim for
each. Flips of signs ask for the mean, which is what the table shows; a sign test, which an earlier run had, ignores by how much an item
is better. Where a score is right or wrong the two tests are the same. This was settled before any row was looked at.

"From p_ref" estimates the divergence KL(law of the text || p_ref) in nats; under a constraint there is no estimate.
Seconds are processor time on a busy machine; those of rivals are the pool's, by their share of its tokens.`;
}

function taskSection({ name, entry, count, sizes, pilot, references }) {
  const rows = sizes.flatMap(({ size, guided }) =>
    guided.flatMap(({ row, rivals, toBest, toVote, holm }, i) => [
      cells(row, `${row.name}, ${size} candidates`, [
        ...[gain(toBest), `${toBest.won}:${toBest.lost}`],
        ...[gain(toVote), `${toVote.won}:${toVote.lost}`, pValue(holm)],
      ]),
      ...(i === 0
        ? [rivals.best, rivals.elected].map((one) => cells(one, one.name, ["", "", "", "", ""]))
        : []),
    ]),
  );
  rows.push(...references.map(({ row }) => cells(row, row.name, ["", "", "", "", ""])));
  const columns = [
    ...["method", "score", "all right", "tokens", "CPU s", "from p_ref"],
    ...["to best of n", "won:lost", "to vote", "won:lost", "p"],
  ];
  const chosen = pilot.map(({ name: method, outcomes }) => {
    const score = outcomes.reduce((sum, outcome) => sum + outcome.score, 0) / outcomes.length;
    return `${method} ${fixed(score, 2)}`;
  });
  return `### ${name}

${entry.title}: ${count} items. You know: ${entry.known}.${entry.isCounted === false ? " Reported, not counted." : ""}

${markdownTable(columns, rows)}

Scores in the pilot: ${chosen.join("; ")}.${references.map(besideReference).join("")}${isWon({ sizes }) ? "" : `\n\n${whyNot(sizes)}`}`;
}

function besideReference({ row, gain: over }) {
  return ` Over ${row.name}, one text of ${fixed(row.tokens, 0)} tokens, the method's gain at the larger budget is ${gain(over)}.`;
}

/** Writes the section about the same tasks on the requantised model, with separate tests. */
function alsoSection({ tasks, tests, models }) {
  const [name] = models.values();
  const items = tasks.map((task) => `${task.name} ${task.count}`).join(", ");
  return `### On ${name}

The same model with larger weights, which round less, on fewer items of two tasks (${items}), with Holm's correction among these ${tests} tests.

${bestTable(tasks)}`;
}

/**
 * Explains why a task has no significant result: how little room the rivals leave, and how many items it
 * would need.
 */
function whyNot(sizes) {
  const each = sizes.map(({ guided: [{ row, rivals, toBest, toVote }] }) => {
    const [rival, gap] =
      toBest.mean <= toVote.mean ? [rivals.best, toBest] : [rivals.elected, toVote];
    const needed =
      gap.needed === null
        ? "there is no gain"
        : `it takes some ${gap.needed} items to show a gain of ${signed(gap.mean)}`;
    return `with ${fixed(row.tokens, 0)} tokens the ${rival.name} has ${fixed(rival.score, 2)}, and ${needed}`;
  });
  return `Why no difference from both rivals is shown: ${each.join("; ")}.`;
}

function cells(row, name, rest) {
  return [
    ...[name, fixed(row.score, 2), fixed(row.right, 2), fixed(row.tokens, 0), fixed(row.cpu, 2)],
    ...[fixed(row.divergence, 1), ...rest],
  ];
}

const NOT_KNOWN = `## What is not known

Where nothing tells a better answer from a worse one, no method can help: \`auto\` then draws one text. The tasks are small, the
answers short, and the models the smallest that can do them; larger models need less guidance for such tasks, and
other rewards may be worse guides than these, which say exactly what is asked. Scores are what the reward or the grade says:
a sentence with all its words may be a poor one.`;

function again({ seed }, tasks) {
  const hasCode = tasks.some(({ name }) => name === "code");
  return `## Repeat it

\`\`\`sh
npm run bench:where -- --model SmolLM2-135M-Instruct.Q4_1.gguf --seed ${seed} \\
  --also SmolLM2-135M-Instruct.Q8_0.gguf --data-ifeval input_data.jsonl --data-humaneval HumanEval.jsonl.gz \\
  --into docs/where-guidance-pays.md
\`\`\`

Each run is kept as a line of \`runs/where/lines.jsonl\`; the command goes on where it was. Every round takes the same share of
every task's items, so that \`--minutes 60\` ends with all of them equally far; \`--scale .1\` takes a tenth of the items. The
tasks, with their numbers of items, lie in \`bench/where/\`.${hasCode ? "" : " HumanEval, which is reported and not counted, was left out here for time."}`;
}
