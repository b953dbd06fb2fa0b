import { expect, test } from "vitest";
import type { Seen } from "./catalogue.ts";
import { ServiceView } from "./view.ts";

const seen = (id: string, healthy = true, address = "127.0.0.1:1"): Seen => ({
  instance: { service: "user", id, address, metadata: {} },
  ...{ owner: "o", ttlMs: 3000, healthy },
});

const ids = (list: { instances: readonly { id: string }[]; stale: boolean }) =>
  `${list.instances.map(({ id }) => id).join()}${list.stale ? " stale" : ""}`;

test("the healthy are listed, and gone when they are not", () => {
  const view = new ServiceView();
  expect(ids(view.answered([seen("a"), seen("b", false), seen("c")], 0))).toBe("a,c");
  expect(ids(view.answered([seen("a", false), seen("c")], 1))).toBe("c");
  expect(ids(view.answered([], 2))).toBe("");
  expect(view.lookAgainMs(2)).toBe(Infinity);
});

test("while Consul is away the last list stays; after it the listed have one TTL and a second to show themselves", () => {
  const view = new ServiceView();
  view.answered([seen("a"), seen("b")], 0);
  expect(ids(view.lost())).toBe("a,b stale");
  // Back: a's check failed meanwhile, b was lost, c is new, d's check fails and nobody knew it.
  expect(ids(view.answered([seen("a", false), seen("c"), seen("d", false)], 60_000))).toBe("a,b,c");
  expect(view.lookAgainMs(60_500)).toBe(3500);
  // Known from before the agent's own view arrives, unknown after.
  expect(ids(view.answered([seen("a"), seen("b"), seen("c")], 61_000))).toBe("a,b,c");
  expect(ids(view.answered([seen("a", false)], 62_000))).toBe("a,b");
  expect(ids(view.answered([seen("a")], 64_000))).toBe("a");
  expect(view.lookAgainMs(64_000)).toBe(Infinity);
});

test("who comes back elsewhere is listed there at once", () => {
  const view = new ServiceView();
  view.answered([seen("a")], 0);
  view.lost();
  expect(view.answered([seen("a", true, "127.0.0.1:2")], 1000).instances).toEqual([
    seen("a", true, "127.0.0.1:2").instance,
  ]);
});

test("a first list that can't be had is empty and stale", () => {
  const view = new ServiceView();
  expect(ids(view.lost())).toBe(" stale");
  expect(ids(view.answered([seen("a")], 1))).toBe("a");
});
