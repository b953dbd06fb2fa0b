import { defineConfig } from "vitest/config";

const native = {
  // Polls end when what they wait for has come: only a failure takes so long.
  expect: { poll: { timeout: 10_000 } },
  // Node runs the sources as they are; nothing is transformed.
  experimental: { viteModuleRunner: false },
};

/** The URLs of running servers, given by tools/test-stack.ts: then the system tests run on those. */
const hasStack = process.env["WEFT_TEST_STACK"] !== undefined;

const processes = {
  // Each file starts the whole mesh: one at a time.
  fileParallelism: false,
  // Only what hangs takes so long, or a machine that is busy.
  testTimeout: 180_000,
  hookTimeout: 180_000,
  ...native,
};

const system = {
  // Chaos and survival have servers of their own, to kill.
  include: hasStack ? ["tests/system/**/*.test.ts"] : ["tests/{system,chaos,survival}/**/*.test.ts"],
  exclude: ["**/node_modules/**", "**/*.stack.test.ts", ...(hasStack ? [] : ["**/*.long.test.ts"])],
  ...processes,
};

export default defineConfig({
  test: {
    maxWorkers: "100%",
    projects: [
      {
        test: {
          name: "unit",
          include: ["{apps,libs,tools,infra,bench}/**/*.test.ts"],
          // Those need real servers.
          exclude: ["**/node_modules/**", "**/*.stack.test.ts"],
          // Files share a worker's modules: a process for each file would cost more than its tests.
          isolate: false,
          // Some start processes or a database, on a machine that has other work too.
          testTimeout: 30_000,
          hookTimeout: 60_000,
          ...native,
        },
      },
      {
        test: {
          name: "stack",
          include: ["{apps,libs,tools,infra,bench,tests}/**/*.stack.test.ts"],
          // Each file starts servers of its own.
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 300_000,
          ...native,
        },
      },
      {
        test: {
          name: "docker",
          include: ["tests/docker/**/*.test.ts"],
          // Makes images, and waits for servers in containers.
          testTimeout: 600_000,
          hookTimeout: 900_000,
          ...native,
        },
      },
      // Embedded as the system tests, and too long for every day.
      { test: { name: "long", include: ["tests/**/*.long.test.ts"], ...processes } },
      { test: { name: hasStack ? "system-stack" : "system", ...system } },
    ],
  },
});
