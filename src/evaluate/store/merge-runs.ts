import { LlamaEtsError } from "../../engine/errors.js";
import type { MethodRecord, RunRecord } from "./run-files.js";
import { canonicalJson } from "./sample-key.js";

/**
 * The run that resuming `before` as `now` makes: more items, samples and methods may be added.
 * Throws `ERR_INVALID_OPTION`, naming the difference, where the two would mix what can't be
 * compared.
 */
export function mergeRuns(directory: string, before: RunRecord, now: RunRecord): RunRecord {
  const refuse = (what: string, was: unknown, is: unknown): never => {
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      `${directory} holds a run whose ${what} is ${canonicalJson(was)}; this one's is ${canonicalJson(is)}`,
      { fix: "another --out, or what it was begun with" },
    );
  };
  for (const name of ["task", "form", "mode", "seed"] as const) {
    if (before[name] !== now[name]) refuse(`\`${name}\``, before[name], now[name]);
  }
  const named = ({ path, sha256 }: { path: string; sha256: string }) => `${path} (${sha256})`;
  for (const name of ["data", "model", "proposal"] as const) {
    const [was, is] = [before[name], now[name]];
    if (was !== undefined && is !== undefined && was.sha256 !== is.sha256) {
      refuse(`\`${name}\``, named(was), named(is));
    }
  }
  if (before.grader?.sha256 !== now.grader?.sha256) {
    refuse("`grader`", before.grader?.path ?? "the task's", now.grader?.path ?? "the task's");
  }
  const [wasTask, isTask] = [before.taskFile, now.taskFile];
  if (wasTask?.sha256 !== isTask?.sha256) {
    const named = (file: typeof wasTask) => (file ? `${file.path} (${file.sha256})` : "none");
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      `${directory} was drawn and graded by the task file ${named(wasTask)}; it is ${named(isTask)} now`,
      { fix: "another --out, or `llama-ets regrade` to grade by the new one what was drawn" },
    );
  }
  const methods = [...before.methods];
  for (const method of now.methods) {
    const same = methods.find(({ name }) => name === method.name);
    if (same === undefined) methods.push(method);
    else refuseChange(same, method, refuse);
  }
  refuseTwins(methods);
  const budget = mergedBudget(before, now, methods.length, refuse);
  const proposal = before.proposal ?? now.proposal;
  return {
    ...before,
    items: Math.max(before.items, now.items),
    samples: Math.max(before.samples, now.samples),
    methods,
    ...(budget && { budget }),
    ...(proposal && { proposal }),
  };
}

/**
 * Refuses methods that differ by name alone: their samples have the same keys, and only one of them
 * would get any. Throws `ERR_INVALID_OPTION`.
 */
export function refuseTwins(methods: readonly MethodRecord[]): void {
  const names = new Map<string, string>();
  for (const { name, method, settings } of methods) {
    const same = canonicalJson([method, settings]);
    const twin = names.get(same);
    if (twin !== undefined) {
      throw new LlamaEtsError(
        "ERR_INVALID_OPTION",
        `Expected methods to differ, got \`${twin}\` and \`${name}\` with the same settings`,
        { fix: "one of them" },
      );
    }
    names.set(same, name);
  }
}

/** A budget may grow: no method's share may be smaller than what it was drawn by. */
function mergedBudget(
  before: RunRecord,
  now: RunRecord,
  methods: number,
  refuse: (what: string, was: unknown, is: unknown) => never,
): RunRecord["budget"] {
  const [was, is] = [before.budget, now.budget];
  if (was === undefined && is === undefined) return undefined;
  const least = was && Math.ceil((was.tokens * methods) / before.methods.length);
  if (least !== undefined && is !== undefined && is.tokens >= least) return is;
  return refuse("`budgetTokensTotal`", was?.tokens ?? null, is?.tokens ?? null);
}

function refuseChange(
  before: MethodRecord,
  now: MethodRecord,
  refuse: (what: string, was: unknown, is: unknown) => never,
): void {
  if (before.method !== now.method) refuse(`method ${now.name}`, before.method, now.method);
  for (const name of new Set([...Object.keys(before.settings), ...Object.keys(now.settings)])) {
    const [was, is] = [before.settings[name] ?? null, now.settings[name] ?? null];
    if (canonicalJson(was) !== canonicalJson(is)) refuse(`\`${name}\` of ${now.name}`, was, is);
  }
}
