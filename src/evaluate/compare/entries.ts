/** The methods of several runs side by side. */
import path from "node:path";
import { groupBy } from "../group-by.js";
import type { EvaluationRun } from "../store/read-run.js";
import type { MethodRecord, Sample } from "../store/run-files.js";

/** One method of one run. */
export interface Entry {
  /** Unique: the method's name, with the run's before it where several runs have that method. */
  name: string;
  run: EvaluationRun;
  /** What the run says of it; absent when only its samples name it. */
  record: MethodRecord | undefined;
  /** The samples by item, at least one each; failed ones tell nothing of a method. */
  samples: Map<string, Sample[]>;
}

/** The methods that have samples, in the order of the runs and of each run's `run.json`. */
export function entriesOf(runs: readonly EvaluationRun[]): Entry[] {
  const names = runNames(runs.map(({ directory }) => directory));
  const found = runs.flatMap((run, i) => {
    const byMethod = groupBy(run.samples, ({ method }) => method);
    const known = run.run.methods.map(({ name }) => name).filter((name) => byMethod.has(name));
    const methods = new Set([...known, ...byMethod.keys()]);
    return [...methods].map((method) => ({
      method,
      runName: names[i] as string,
      run,
      record: run.run.methods.find(({ name }) => name === method),
      samples: groupBy(byMethod.get(method) ?? [], ({ item }) => item),
    }));
  });
  const times = groupBy(found, ({ method }) => method);
  return found.map(({ method, runName, ...entry }) => ({
    name: (times.get(method)?.length ?? 0) > 1 ? `${runName}/${method}` : method,
    ...entry,
  }));
}

/** The directories' last parts, as many as tell the runs apart. */
function runNames(directories: readonly string[]): string[] {
  const parts = directories.map((directory) => path.resolve(directory).split(path.sep));
  const deepest = Math.max(...parts.map(({ length }) => length));
  for (let depth = 1; depth < deepest; depth++) {
    const names = parts.map((all) => all.slice(-depth).join("/"));
    if (new Set(names).size === names.length) return names;
  }
  return [...directories];
}
