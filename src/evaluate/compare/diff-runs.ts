/** Compares two runs item by item: which samples became right, and which became wrong. */
import { LlamaEtsError } from "../../engine/errors.js";
import { readRun } from "../store/read-run.js";
import { type GradedSample, isFailed, type Sample } from "../store/run-files.js";
import { differencesOf } from "./differences.js";

/** A sample that is not the same in two runs. */
export interface DifferentSample {
  item: string;
  method: string;
  sample: number;
  /** Null if the sample failed. */
  before: Pick<GradedSample, "correct" | "extracted" | "text"> | null;
  after: Pick<GradedSample, "correct" | "extracted" | "text"> | null;
}

/** The samples of two runs that differ, by kind. */
export interface RunDifference {
  /** Number of samples that both runs have, by item, method and sample number. */
  common: number;
  /** Numbers of samples that only one of the runs has. */
  onlyBefore: number;
  onlyAfter: number;
  /** Numbers of common samples, by what changed. */
  becameRight: number;
  becameWrong: number;
  otherText: number;
  /** Common samples whose grade, answer or text changed. Those with a changed grade come first. */
  changed: DifferentSample[];
  /** Settings of the runs that differ. */
  warnings: string[];
}

/**
 * Finds what changed between two run directories.
 *
 * @throws LlamaEtsError `ERR_INVALID_DATA`, with file, line and field; also if the runs have no sample in
 *   common
 */
export async function diffRuns(before: string, after: string): Promise<RunDifference> {
  const runs = [await readRun(before), await readRun(after)] as const;
  const named = ({ item, method, sample }: Sample) => JSON.stringify([item, method, sample]);
  const [old, now] = runs.map(
    ({ samples }) => new Map(samples.map((sample) => [named(sample), sample])),
  ) as [Map<string, Sample>, Map<string, Sample>];
  const common = [...now.keys()].filter((name) => old.has(name));
  if (common.length === 0) {
    const tasks = runs.map(({ run }) => run.task);
    const isOneTask = new Set(tasks).size === 1;
    throw new LlamaEtsError(
      "ERR_INVALID_DATA",
      `${before} and ${after} have no sample of one item, method and number in common`,
      {
        fix: isOneTask
          ? "runs whose methods have the same names"
          : `runs of one task: these are of ${tasks.join(" and ")}`,
      },
    );
  }
  const changed = common
    .map((name) => [old.get(name) as Sample, now.get(name) as Sample] as const)
    .filter(([a, b]) => isChanged(a, b))
    .map(([a, b]): DifferentSample => {
      const { item, method, sample } = b;
      return { item, method, sample, before: shownOf(a), after: shownOf(b) };
    })
    .toSorted((a, b) => Number(hasOtherGrade(b)) - Number(hasOtherGrade(a)));
  const isRight = (side: DifferentSample["before"]) => side?.correct === true;
  return {
    common: common.length,
    onlyBefore: old.size - common.length,
    onlyAfter: now.size - common.length,
    becameRight: changed.filter(({ before, after }) => !isRight(before) && isRight(after)).length,
    becameWrong: changed.filter(({ before, after }) => isRight(before) && !isRight(after)).length,
    otherText: changed.filter(({ before, after }) => before?.text !== after?.text).length,
    changed,
    warnings: differencesOf(runs),
  };
}

function isChanged(a: Sample, b: Sample): boolean {
  if (isFailed(a) || isFailed(b)) return isFailed(a) !== isFailed(b);
  return a.correct !== b.correct || a.extracted !== b.extracted || a.text !== b.text;
}

function hasOtherGrade({ before, after }: DifferentSample): boolean {
  return before?.correct !== after?.correct;
}

function shownOf(sample: Sample): DifferentSample["before"] {
  if (isFailed(sample)) return null;
  const { correct, extracted, text } = sample;
  return { correct, extracted, text };
}
