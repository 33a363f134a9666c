import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config";

type ProjectConfig = NonNullable<TestProjectInlineConfiguration["test"]>;

/** Files that load no engine, neither themselves nor in a process they start. */
const WITHOUT_ENGINE = [
  "test/bench/statistics.test.ts",
  "test/energy/{log-domain,psis}.test.ts",
  "test/evaluate/{read-run,wrong-types}.test.ts",
  "test/evaluate/statistics/*.test.ts",
  "test/report/{evaluation-report,html}.test.ts",
  "test/rewards/{answer,combine,named,python-tests,self-consistency,settled-vote,verifier,wrong-types}.test.ts",
  "test/sandbox/*.test.ts",
  "test/tasks/*.test.ts",
];

const common: ProjectConfig = {
  pool: "forks",
  execArgv: ["--expose-gc"],
  testTimeout: 60_000,
  hookTimeout: 60_000,
  maxConcurrency: 2,
};

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...common,
          name: "engine",
          include: ["test/**/*.test.ts"],
          exclude: WITHOUT_ENGINE,
          // Two engines at once oversubscribe the cores, and ggml's threads then spin for minutes.
          fileParallelism: false,
        },
      },
      { test: { ...common, name: "no engine", include: WITHOUT_ENGINE, maxWorkers: 2 } },
    ],
  },
});
