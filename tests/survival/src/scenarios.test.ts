import { expect, test } from "vitest";
import { scenarios } from "./scenarios.ts";

test("each fault has a name of its own, and leaves two replicas alone or none; the control leaves all", () => {
  expect(new Set(scenarios.map(({ name }) => name)).size).toBe(scenarios.length);
  for (const { name, healthy } of scenarios) expect(name === "none" ? [3] : [0, 2], name).toContain(healthy.length);
});

test("what stands behind a proxy is the third replica, so the first two are well", () => {
  for (const { name, before, healthy } of scenarios) {
    if (before !== "nothing") expect(healthy, name).toEqual([1, 2]);
  }
});
