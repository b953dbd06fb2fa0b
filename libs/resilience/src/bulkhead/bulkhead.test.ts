import fc from "fast-check";
import { expect, test } from "vitest";
import { Bulkhead, type BulkheadOptions, type BulkheadParts } from "./bulkhead.ts";

type Room = Pick<Bulkhead, "enter" | "leave" | "enterStream" | "leaveStream" | "inside">;

const options: fc.Arbitrary<Required<BulkheadOptions>> = fc.record({
  maxCalls: fc.integer({ min: 1, max: 6 }),
  maxCallsPerMethod: fc.integer({ min: 1, max: 4 }),
  maxStreams: fc.integer({ min: 1, max: 3 }),
});
const history = fc.array(
  fc.record({ method: fc.constantFrom("a", "b", "c"), kind: fc.constantFrom("call", "stream"), leaves: fc.boolean() }),
  { maxLength: 80 },
);

/** H1 and H2: whoever finds room is inside, and nobody else. */
function letsInWhoFits(make: (parts: BulkheadParts) => Room) {
  return fc.property(options, history, (given, steps) => {
    const room = make({ target: "echo", options: given });
    const calls: string[] = [];
    let streams = 0;
    for (const { method, kind, leaves } of steps) {
      const at = calls.indexOf(method);
      if (leaves && kind === "call" && at >= 0) {
        calls.splice(at, 1);
        room.leave(method);
      } else if (leaves && kind === "stream" && streams > 0) {
        streams -= 1;
        room.leaveStream();
      } else if (!leaves && kind === "call") {
        const own = calls.filter((other) => other === method).length;
        const fits = calls.length < given.maxCalls && own < given.maxCallsPerMethod;
        expect(room.enter(method)?.reason).toBe(fits ? undefined : "BULKHEAD_FULL");
        if (fits) calls.push(method);
      } else if (!leaves) {
        const fits = streams < given.maxStreams;
        expect(room.enterStream(method)?.reason).toBe(fits ? undefined : "BULKHEAD_FULL");
        if (fits) streams += 1;
      }
      expect(room.inside).toEqual({ calls: calls.length, streams });
    }
  });
}

test("H1, H2 whoever finds room gets in, and nobody else", () => {
  fc.assert(
    letsInWhoFits((parts) => new Bulkhead(parts)),
    { numRuns: 300 },
  );
});

class Counting extends Bulkhead {
  override leave(): void {
    super.leave("a");
  }
}
class Shared extends Bulkhead {
  override enterStream(method: string) {
    return this.enter(method);
  }
}

test.each<{ fault: string; make: (parts: BulkheadParts) => Room }>([
  {
    fault: "one too many gets in",
    make: (parts) =>
      new Bulkhead({ ...parts, options: { ...parts.options, maxCalls: (parts.options?.maxCalls ?? 0) + 1 } }),
  },
  {
    fault: "methods are not told apart",
    make: (parts) => new Bulkhead({ ...parts, options: { ...parts.options, maxCallsPerMethod: 9 } }),
  },
  { fault: "who leaves makes room for another method", make: (parts) => new Counting(parts) },
  { fault: "streams take the room of calls", make: (parts) => new Shared(parts) },
])("noticed when $fault", ({ make }) => {
  expect(fc.check(letsInWhoFits(make), { numRuns: 500, seed: 1, endOnFailure: true }).failed).toBe(true);
});

test("a refusal is told, and bounds change while calls are inside", () => {
  const told: unknown[] = [];
  const room = new Bulkhead({ target: "echo", options: { maxCalls: 1 }, onDecision: (one) => told.push(one) });
  expect(room.enter("echo/Echo")).toBeUndefined();
  expect(room.enter("echo/Echo")).toMatchObject({ code: "RESOURCE_EXHAUSTED", reason: "BULKHEAD_FULL" });
  expect(told).toEqual([{ kind: "refused", target: "echo", method: "echo/Echo", reason: "bulkhead-full" }]);
  room.configure({});
  expect(room.enter("echo/Echo")).toBeUndefined();
});
