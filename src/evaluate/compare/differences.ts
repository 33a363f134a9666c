/** Describes what makes runs hard to compare. */

import { groupBy } from "../group-by.js";
import type { EvaluationRun } from "../store/read-run.js";
import { gradedOf, isFailed, type RunRecord } from "../store/run-files.js";
import type { Entry } from "./entries.js";

interface Aspect {
  what: string;
  /** Runs agree if this value is the same. */
  of: (run: RunRecord) => string;
  /** The value in messages. Default: the value of `of`. */
  shown?: (run: RunRecord) => string;
  why: string;
}

const MUST_AGREE: readonly Aspect[] = [
  { what: "task", of: ({ task }) => task, why: "they have no items in common" },
  {
    what: "data",
    of: ({ data }) => data.sha256,
    shown: ({ data }) => `${data.path} (${data.sha256.slice(0, 12)})`,
    why: "items may differ",
  },
  {
    what: "model",
    of: ({ model }) => model.sha256,
    shown: ({ model }) => `${model.description} (${model.sha256.slice(0, 12)})`,
    why: "a difference may be the model's and not the method's",
  },
  { what: "grading", of: ({ mode }) => mode, why: "accuracies don't mean the same" },
  {
    what: "prompts",
    of: ({ form }) => form,
    why: "a difference may be the prompt's and not the method's",
  },
  {
    what: "machine",
    of: ({ machine: { cpu, cores, gpu } }) =>
      `${cpu}, ${cores} cores${gpu === false ? "" : `, ${gpu}`}`,
    why: "seconds can't be compared",
  },
];

export function differencesOf(runs: readonly EvaluationRun[]): string[] {
  return MUST_AGREE.flatMap(({ what, of, shown = of, why }) => {
    const distinct = [...groupBy(runs, ({ run }) => of(run)).values()];
    if (distinct.length === 1) return [];
    const values = distinct.map(([first]) => shown((first as EvaluationRun).run));
    return [`The runs differ in their ${what}: ${values.join("; ")}. So ${why}.`];
  });
}

export interface ItemChoice {
  /** Items of which every method has a graded sample, in the order of the first method. */
  common: string[];
  warnings: string[];
}

/** Chooses the items to compare on. */
export function chooseItems(runs: readonly EvaluationRun[], entries: readonly Entry[]): ItemChoice {
  const [first] = entries;
  const isGraded = ({ samples }: Entry, item: string) =>
    samples.get(item)?.some((sample) => !isFailed(sample)) ?? false;
  const common = [...(first?.samples.keys() ?? [])].filter((item) =>
    entries.every((entry) => isGraded(entry, item)),
  );
  const counts = entries.map(
    (entry) => [...entry.samples.keys()].filter((item) => isGraded(entry, item)).length,
  );
  const sizes = entries.map(({ name }, i) => `${name} ${counts[i]}`).join(", ");
  const isUneven = counts.some((count) => count > common.length);
  const empty = runs.flatMap(({ run, samples, directory }) =>
    run.methods
      .filter(({ name }) => !samples.some(({ method }) => method === name))
      .map(({ name }) => `${name} (${directory})`),
  );
  const warnings = [
    empty.length > 0 && `Left out, without any sample: ${empty.join(", ")}.`,
    isUneven &&
      (common.length > 0
        ? `The methods have different items (${sizes}): compared on the ${common.length} that all have.`
        : `No item has samples of all methods (${sizes}): each stands by itself, and nothing is tested.`),
    ...goldDifferences(entries),
    ...failures(entries),
  ];
  return { common, warnings: warnings.filter((warning) => warning !== false) };
}

function goldDifferences(entries: readonly Entry[]): string[] {
  const graded = gradedOf(entries.flatMap(({ samples }) => [...samples.values()].flat()));
  const differing = [...groupBy(graded, ({ item }) => item)]
    .filter(([, samples]) => new Set(samples.map(({ gold }) => gold)).size > 1)
    .map(([item]) => item);
  if (differing.length === 0) return [];
  return [
    `${differing.length} items have different reference answers in different runs, as ${differing[0]}: they are not the same items.`,
  ];
}

function failures(entries: readonly Entry[]): string[] {
  return entries.flatMap(({ name, samples }) => {
    const all = [...samples.values()].flat();
    const failed = all.filter(isFailed);
    if (failed.length === 0) return [];
    const reasons = [...groupBy(failed, ({ error }) => error.code)].map(
      ([code, own]) => `${code} ×${own.length}`,
    );
    return [
      `${failed.length} of ${all.length} samples of ${name} failed (${reasons.join(", ")}): they are left out, neither right nor wrong, and their tokens and seconds are not known.`,
    ];
  });
}
