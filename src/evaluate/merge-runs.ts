import { LlamaEtsError } from "../engine/errors.js";
import type { RunRecord } from "./run-files.js";
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
      `${directory} holds a run of another ${what}: ${canonicalJson(was)}, now ${canonicalJson(is)}`,
      { fix: "another --out, or the settings it was begun with" },
    );
  };
  for (const name of ["task", "form", "mode", "seed"] as const) {
    if (before[name] !== now[name]) refuse(name, before[name], now[name]);
  }
  const named = ({ path, sha256 }: { path: string; sha256: string }) => `${path} (${sha256})`;
  for (const name of ["data", "model", "proposal"] as const) {
    const [was, is] = [before[name], now[name]];
    if (was !== undefined && is !== undefined && was.sha256 !== is.sha256) {
      refuse(name, named(was), named(is));
    }
  }
  const methods = [...before.methods];
  for (const method of now.methods) {
    const same = methods.find(({ name }) => name === method.name);
    if (same === undefined) methods.push(method);
    else if (same.method !== method.method) refuse(method.name, same.method, method.method);
    else refuseChange(same.settings, method.settings, (...change) => refuse(...change));
  }
  const proposal = before.proposal ?? now.proposal;
  return {
    ...before,
    items: Math.max(before.items, now.items),
    samples: Math.max(before.samples, now.samples),
    methods,
    ...(proposal && { proposal }),
  };
}

function refuseChange(
  before: RunRecord["methods"][number]["settings"],
  now: RunRecord["methods"][number]["settings"],
  refuse: (name: string, was: unknown, is: unknown) => never,
): void {
  for (const name of new Set([...Object.keys(before), ...Object.keys(now)])) {
    if (canonicalJson(before[name] ?? null) === canonicalJson(now[name] ?? null)) continue;
    refuse(name, before[name] ?? null, now[name] ?? null);
  }
}
