import { LlamaEtsError } from "../../engine/errors.js";
import { termsWithFiles } from "../../rewards/named.js";
import type { MethodRecord, RunRecord } from "./run-files.js";
import { canonicalJson } from "./sample-key.js";

/**
 * Returns the run that results from resuming `before` as `now`, which may add items, samples and methods.
 * Throws `ERR_INVALID_OPTION` with the difference if the samples of the two can't be compared.
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
  // This check comes first, because a changed task file may read other items from the same data.
  const tasks = [before.taskFile, now.taskFile] as const;
  refuseFile(directory, "task file", tasks, fixes(directory).regrade);
  for (const name of ["data", "model", "proposal"] as const) {
    const [was, is] = [before[name], now[name]];
    if (was === undefined || is === undefined) continue; // a proposal may be added
    refuseFile(directory, `\`${name}\``, [was, is], fixes(directory).draw);
  }
  refuseFile(directory, "`grader`", [before.grader, now.grader], fixes(directory).regrade);
  const methods = [...before.methods];
  for (const method of now.methods) {
    const same = methods.find(({ name }) => name === method.name);
    if (same === undefined) methods.push(method);
    else refuseChange(directory, same, method, refuse);
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
 * Refuses methods that differ only in their names. Their samples would have the same keys, so only one of the
 * methods would get samples. Throws `ERR_INVALID_OPTION`.
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

/** Merges the budgets. A budget may grow, but no method's share may become smaller than before. */
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
  directory: string,
  before: MethodRecord,
  now: MethodRecord,
  refuse: (what: string, was: unknown, is: unknown) => never,
): void {
  if (before.method !== now.method) refuse(`method ${now.name}`, before.method, now.method);
  const names = new Set([...Object.keys(before.settings), ...Object.keys(now.settings)]);
  for (const name of names) {
    if (name in FILES_OF) continue;
    const [was, is] = [before.settings[name] ?? null, now.settings[name] ?? null];
    if (canonicalJson(was) !== canonicalJson(is)) refuse(`\`${name}\` of ${now.name}`, was, is);
  }
  // The names are equal, so the content of a file has changed.
  for (const [files, named] of Object.entries(FILES_OF)) {
    const [was, is] = [hashesIn(before.settings[files]), hashesIn(now.settings[files])];
    if (canonicalJson(was) === canonicalJson(is)) continue;
    const names = filesOf(now.settings[named]);
    const changed = is.findIndex((sha256, i) => sha256 !== was[i]);
    const path = names[changed] ?? String(now.settings[named]);
    refuseFile(
      directory,
      `\`${named}\` of ${now.name}`,
      [
        { path, sha256: was[changed] ?? "" },
        { path, sha256: is[changed] ?? "none" },
      ],
      fixes(directory).draw,
    );
  }
}

/** Maps the settings with hashes of files to the settings that name these files. */
const FILES_OF: Record<string, string> = { rewardFiles: "reward", potentialFiles: "potential" };

function hashesIn(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

/** Returns the files in the name of a reward or potential, in the order of their hashes. */
function filesOf(expression: unknown): string[] {
  if (typeof expression !== "string") return [];
  return termsWithFiles(expression).map(({ argument }) => argument);
}

interface FileVersion {
  path: string;
  sha256: string;
}

const fixes = (directory: string) => ({
  draw: "the file as it was, or another --out: what was drawn rests on it",
  regrade: `\`llama-ets regrade ${directory}\`, which grades what was drawn by the new one; or another --out`,
});

/** Refuses a file whose content has changed. The message says whether its name has changed too. */
function refuseFile(
  directory: string,
  what: string,
  [was, is]: readonly [FileVersion | undefined, FileVersion | undefined],
  fix: string,
): void {
  if (was?.sha256 === is?.sha256) return;
  const begun = was === undefined ? `without a ${what}` : `whose ${what} is ${was.path}`;
  const change =
    is === undefined
      ? "this one has none"
      : was?.path === is.path
        ? "that file has changed since"
        : `this one's is ${is.path}${was === undefined ? "" : ", which holds something else"}`;
  throw new LlamaEtsError("ERR_INVALID_OPTION", `${directory} holds a run ${begun}; ${change}`, {
    fix,
  });
}
