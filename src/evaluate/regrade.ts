/** Grades the stored texts of a run again, without a model. */
import { checkKeys, checkOneOf, checkString } from "../engine/check.js";
import { LlamaEtsError } from "../engine/errors.js";
import { METHOD_NAMES, METHODS } from "../methods/registry.js";
import { findTask } from "../tasks/index.js";
import { checkJudge, openGraderBy } from "../tasks/judge-grader.js";
import {
  GRADING_MODES,
  type Grader,
  type GradingMode,
  loadItems,
  type TaskItem,
} from "../tasks/task.js";
import { gradeTexts } from "./grade-texts.js";
import { describeGrader, describeTaskFile } from "./store/describe-run.js";
import { readRun } from "./store/read-run.js";
import {
  type GradedSample,
  isFailed,
  type RunRecord,
  type Sample,
  type Summary,
} from "./store/run-files.js";
import { hashItems, sampleKey } from "./store/sample-key.js";

/** How the stored texts are graded again. */
export interface RegradeOptions {
  /** The task, if it is a custom module (`module:FILE`). Default: the run's task. */
  task?: string;
  /** The data file. Default: the run's data file. */
  data?: string;
  /** The grading mode. Default: the run's mode. */
  mode?: GradingMode;
  /** `judge:GGUF`, or `task` for the task's own grader. Default: the run's grader. */
  grader?: string;
  /** Lets tasks that need it run generated programs, in a sandbox. Default false. */
  allowCodeExecution?: boolean;
  /** Aborting leaves the run unchanged. */
  signal?: AbortSignal;
}

/** The result of grading again. */
export interface Regraded {
  summary: Summary;
  /** Samples whose verdict has changed. */
  changed: { item: string; method: string; sample: number; was: boolean; correct: boolean }[];
  /** Number of samples that were graded. */
  graded: number;
}

/**
 * Grades all texts of a run directory with the current graders, or with a changed task file, and replaces the
 * verdicts. Votes were counted when the texts were drawn and don't change. If it fails or is aborted, the run
 * stays unchanged.
 *
 * @throws LlamaEtsError `ERR_INVALID_OPTION`, `ERR_INVALID_DATA`, `ERR_RUN_IN_USE`, `ERR_WRITE`; the
 *   signal's reason when aborted
 */
export async function regrade(directory: string, options: RegradeOptions = {}): Promise<Regraded> {
  checkString("directory", directory);
  checkKeys("options", options, ["task", "data", "mode", "grader", "allowCodeExecution", "signal"]);
  const { signal, allowCodeExecution = false } = options;
  const { run: before } = await readRun(directory);
  const mode = checkOneOf("mode", options.mode ?? before.mode, GRADING_MODES);
  const task = await findTask(options.task ?? taskNameOf(before));
  if (task.name !== before.task) {
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      `${directory} is a run of the task ${before.task}, not of ${task.name}`,
    );
  }
  const data = options.data ?? (before.data.path === before.task ? undefined : before.data.path);
  const items = await loadItems(task, data, signal ? { signal } : {});
  if (hashItems(items) !== before.data.sha256) {
    throw new LlamaEtsError(
      "ERR_INVALID_DATA",
      `${data ?? `The task ${task.name}`} doesn't hold the items that ${directory} was drawn of`,
      { fix: "--data with the file of the run" },
    );
  }
  const byId = new Map(items.map((item) => [item.id, item]));
  const given = options.grader ?? before.grader?.path;
  const judge = given === undefined || given === "task" ? undefined : checkJudge("grader", given);
  const { taskFile: _, grader: __, ...rest } = before;
  const run: RunRecord = {
    ...rest,
    mode,
    ...(await describeTaskFile(task)),
    ...(await describeGrader(judge, signal)),
  };

  const { RunStore } = await import("./store/run-store.js");
  await using store = await RunStore.open(directory, before, true);
  await using grader = await openGraderBy(judge, task, {
    mode,
    allowCodeExecution,
    ...(signal && { signal }),
  });
  const changed: Regraded["changed"] = [];
  const samples: Sample[] = [];
  for (const sample of store.samples) {
    signal?.throwIfAborted();
    const regraded = await regradeSample(sample, { run, byId, grader });
    samples.push(regraded);
    if (isFailed(sample) || isFailed(regraded) || sample.correct === regraded.correct) continue;
    const { item, method, sample: number } = sample;
    changed.push({ item, method, sample: number, was: sample.correct, correct: regraded.correct });
  }
  const summary = await store.replace(run, samples);
  return { summary, changed, graded: samples.filter((sample) => !isFailed(sample)).length };
}

interface Regrading {
  run: RunRecord;
  byId: ReadonlyMap<string, TaskItem>;
  grader: Grader;
}

async function regradeSample(sample: Sample, { run, byId, grader }: Regrading): Promise<Sample> {
  const key = newKey(sample, run);
  const item = byId.get(sample.item);
  if (item === undefined) {
    throw new LlamaEtsError("ERR_INVALID_DATA", `The data has no item ${sample.item}`);
  }
  if (isFailed(sample)) return { ...sample, key };
  const { texts, ...drawn } = withoutVerdict(sample);
  const graded = texts && { texts: await gradeTexts(grader, item, texts) };
  const verdict = await grader.grade(item, sample.text);
  return { ...drawn, ...graded, key, ...verdict, gradedBy: run.mode };
}

const VERDICT_FIELDS = [
  "extracted",
  "correct",
  "reason",
  "result",
  "score",
  "categories",
  "strict",
  "loose",
] as const satisfies (keyof GradedSample)[];

type Ungraded = Omit<GradedSample, (typeof VERDICT_FIELDS)[number]>;

/**
 * Returns the sample without its verdict. All old fields are removed, because the new verdict may lack some
 * of them.
 */
function withoutVerdict(sample: GradedSample): Ungraded {
  const isDrawn = ([name]: [string, unknown]) =>
    !(VERDICT_FIELDS as readonly string[]).includes(name);
  return Object.fromEntries(Object.entries(sample).filter(isDrawn)) as Ungraded;
}

/** Returns the sample's key under the new settings, by which `--resume` finds it. */
function newKey({ method: name, item, sample, seed }: Sample, run: RunRecord): string {
  const record = run.methods.find((method) => method.name === name);
  const method = METHOD_NAMES.find((known) => known === record?.method);
  if (record === undefined || method === undefined) {
    throw new LlamaEtsError("ERR_INVALID_DATA", `run.json doesn't name the method ${name}`);
  }
  const needsProposal = METHODS[method].proposal !== undefined;
  const configured = { method, settings: record.settings, needsProposal };
  return sampleKey(run, configured, { item, sample, seed });
}

function taskNameOf({ task, taskFile }: RunRecord): string {
  return taskFile === undefined ? task : `module:${taskFile.path}`;
}
