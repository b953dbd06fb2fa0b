import fc from "fast-check";
import { expect, test } from "vitest";
import { RollingShare } from "./rolling-share.ts";

test("counts what happened within the window, a tenth of it given or taken", () => {
  const events = fc.array(fc.record({ gapMs: fc.oneof(fc.nat(30), fc.nat(3_000)), isMarked: fc.boolean() }));
  fc.assert(
    fc.property(events, (list) => {
      const share = new RollingShare(1_000);
      let nowMs = 12_345;
      const all: { atMs: number; isMarked: boolean }[] = [];
      for (const { gapMs, isMarked } of list) {
        nowMs += gapMs;
        share.add(nowMs, isMarked);
        all.push({ atMs: nowMs, isMarked });
        const slot = (atMs: number) => Math.floor(atMs / 100);
        const within = all.filter(({ atMs }) => slot(atMs) > slot(nowMs) - 10);
        expect(share.count(nowMs)).toBe(within.length);
        expect(share.marked(nowMs)).toBe(within.filter((event) => event.isMarked).length);
      }
      expect(share.count(nowMs + 1_000)).toBe(0);
    }),
  );
});
