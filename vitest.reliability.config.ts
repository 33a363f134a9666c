import { defineConfig } from "vitest/config";

/**
 * `npm run test:reliability`: processes that end, and are ended, in mid-run, workers that share a queue,
 * programs that attack their sandbox, and machines that lack something (docs/reliability.md).
 */
export default defineConfig({
  test: {
    include: ["test/reliability/*.reliability.ts"],
    fileParallelism: false,
    pool: "forks",
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
