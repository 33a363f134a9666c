import { defineConfig } from "vitest/config";

/** `npm run test:docs`: what the documents show and what examples/ holds, on the bundled models. */
export default defineConfig({
  test: {
    include: ["test/docs/*.docs.ts"],
    fileParallelism: false,
    pool: "forks",
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});
