import { fileURLToPath } from "node:url";
import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config";

type ProjectConfig = NonNullable<TestProjectInlineConfiguration["test"]>;

/**
 * Files that load no engine, or only in command-line processes of their own, whose small models take one
 * thread each.
 */
const BESIDE = [
  "test/{house,bench/{statistics,where},chain/random-streams,methods/wrong-types}.test.ts",
  "test/energy/{diagnostics,exact-weights,log-domain,psis}.test.ts",
  "test/cli/{ask-answer,ask-options,bad-input,bad-options,compare,config-file,constraint-flag,download,eval-out,grade,help,potential,startup}.test.ts",
  "test/engine-build/*.test.ts",
  "test/engine/{constraints,download,make-directory,package-files,remote-servers,remote-texts,templates,text-process}.test.ts",
  "test/evaluate/{compare,curves,read-run,sweep,wrong-types}.test.ts",
  "test/evaluate/statistics/*.test.ts",
  "test/laws/*.test.ts",
  "test/methods/{auto,closing,diffusion-options,edges,tool-calls}.test.ts",
  "test/planning/{abilities,admission}.test.ts",
  "test/report/{evaluation-report,html}.test.ts",
  "test/server/lanes.test.ts",
  "test/rewards/{answer,combine,named,python-tests,self-consistency,settled-vote,verifier,vote-value,wrong-types}.test.ts",
  "test/tasks/*.test.ts",
];

/** Longer on CPU variants without SIMD (`test/cpu-variant.mjs`). */
const timeout = Number(process.env.LLAMA_ETS_TEST_TIMEOUT ?? 60_000);

/** Shifts all seeds, also in the processes that tests start. */
const SHIFT = `--import=${fileURLToPath(new URL("test/fixtures/shift-seeds.mjs", import.meta.url))}`;
if (process.env.LLAMA_ETS_TEST_SEED_SHIFT !== undefined) process.env.NODE_OPTIONS = SHIFT;

const common: ProjectConfig = {
  pool: "forks",
  execArgv: ["--expose-gc"],
  testTimeout: timeout,
  hookTimeout: timeout,
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
          exclude: BESIDE,
          // Engines of more threads than cores spin for minutes, and what these measure they disturb.
          fileParallelism: false,
        },
      },
      // `npm test` runs these beside the engine's, on another core.
      { test: { ...common, name: "beside", include: BESIDE, maxWorkers: 1 } },
    ],
  },
});
