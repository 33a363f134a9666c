import { defineConfig } from "vitest/config";

/** `npm run test:real`: a real pretrained model, on one CPU thread (CONTRIBUTING.md). */
export default defineConfig({
  test: {
    include: ["test/real/*.real.ts"],
    fileParallelism: false,
    pool: "forks",
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
});
