import { tmpdir } from "node:os";
import { defineConfig } from "vitest/config";

/**
 * `npm run test:vulkan`: what differs where a GPU decodes, on the first Vulkan device. Mesa's lavapipe
 * is one on the CPU; llama.cpp passes over such devices unless they are named.
 */
export default defineConfig({
  test: {
    include: ["test/vulkan/*.vulkan.ts"],
    env: {
      GGML_VK_VISIBLE_DEVICES: process.env.GGML_VK_VISIBLE_DEVICES ?? "0",
      XDG_RUNTIME_DIR: process.env.XDG_RUNTIME_DIR ?? tmpdir(),
    },
    // One process for all files: each would compile the shaders anew.
    fileParallelism: false,
    isolate: false,
    pool: "forks",
    reporters: ["verbose"],
    // Seconds on two free cores; shaders are compiled by the processor, and it may be busy.
    testTimeout: 600_000,
    hookTimeout: 600_000,
  },
});
