import { defineConfig } from "vitest/config";

/** `npm run test:package`: what npm packs, as its users have it. It takes what was built. */
export default defineConfig({
  test: {
    include: ["test/package/*.package.ts"],
    fileParallelism: false,
    pool: "forks",
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
