import { defineConfig } from "vitest/config";

/** Under a sanitizer everything takes longer. */
const timeout = Number(process.env.LLAMA_ETS_TEST_TIMEOUT ?? 60_000);

/**
 * `npm run test:reliability`: processes that end, and are ended, in mid-run, workers that share a queue,
 * programs that attack their sandbox, and machines that lack something (docs/reliability.md).
 */
export default defineConfig({
  test: {
    include: ["test/reliability/*.reliability.ts"],
    fileParallelism: false,
    pool: "forks",
    testTimeout: timeout,
    hookTimeout: timeout,
  },
});
