import { defineConfig } from "vitest/config";

const native = {
  // Node runs the sources as they are; nothing is transformed.
  experimental: { viteModuleRunner: false },
};

export default defineConfig({
  test: {
    maxWorkers: "100%",
    projects: [
      {
        test: {
          name: "unit",
          include: ["{apps,libs,tools,bench}/**/*.test.ts"],
          // Files share a worker's modules: a process for each file would cost more than its tests.
          isolate: false,
          // Some start processes or a database, on a machine that has other work too.
          testTimeout: 15_000,
          hookTimeout: 30_000,
          ...native,
        },
      },
      {
        test: {
          name: "system",
          include: ["tests/system/**/*.test.ts"],
          // Each file starts the whole mesh: one at a time.
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 120_000,
          ...native,
        },
      },
    ],
  },
});
