import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // Two engines at once oversubscribe the cores, and ggml's threads then spin for minutes.
    fileParallelism: false,
    pool: "forks",
    execArgv: ["--expose-gc"],
    testTimeout: 60_000,
    maxConcurrency: 2,
  },
});
