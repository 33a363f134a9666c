import { defineConfig } from "vitest/config";

/** `npm run test:clients`: real clients of the server, on a bundled model. */
export default defineConfig({
  test: {
    include: ["test/clients/*.clients.ts"],
    fileParallelism: false,
    pool: "forks",
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
