/** Lists the methods of several runs. */
import path from "node:path";
import { groupBy } from "../group-by.js";
import type { EvaluationRun } from "../store/read-run.js";
import type { MethodRecord, Sample } from "../store/run-files.js";

/** One method of one run. */
export interface Entry {
  /** A unique name: the method's name, after the run's name if several runs have that method. */
  name: string;
  run: EvaluationRun;
  /** The run's record of the method. Undefined if only the samples name the method. */
  record: MethodRecord | undefined;
  /** The samples by item, at least one each, failed samples included. */
  samples: Map<string, Sample[]>;
}

/** Returns the methods that have samples, in the order of the runs and of each run's `run.json`. */
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

/** Names each run by as many last parts of its directory as are needed to distinguish the runs. */
function runNames(directories: readonly string[]): string[] {
  const parts = directories.map((directory) => path.resolve(directory).split(path.sep));
  const deepest = Math.max(...parts.map(({ length }) => length));
  for (let depth = 1; depth < deepest; depth++) {
    const names = parts.map((all) => all.slice(-depth).join("/"));
    if (new Set(names).size === names.length) return names;
  }
  return [...directories];
}
