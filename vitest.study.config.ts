import { defineConfig } from "vitest/config";

/** `npm run test:study`: minutes of draws, on one core (docs/exactness.md). */
export default defineConfig({
  test: {
    include: [
      "test/study/*.study.ts",
      "test/laws/{baselines,constraints,diffusion}.test.ts",
      "test/engine/{constraints,recurrent-laws}.test.ts",
      "test/tasks/fair-grading.test.ts",
    ],
    env: { LLAMA_ETS_STUDY: "1" },
    fileParallelism: false,
    pool: "forks",
    reporters: ["verbose"],
    testTimeout: 600_000,
    hookTimeout: 600_000,
  },
});
