import fc from "fast-check";
import type { GroupMember } from "kafkajs";
import { expect, test } from "vitest";
import { assignmentOf, metadataOf, share, topicsOf } from "./assignment.ts";

const member = (memberId: string, topics: readonly string[]): GroupMember => ({
  memberId,
  memberMetadata: metadataOf(topics),
});

test("every partition goes to exactly one member that subscribes to its topic, in shares that differ by one", () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.stringMatching(/^[a-z]{1,5}$/), { minLength: 1, maxLength: 9 }),
      fc.nat(20),
      fc.nat(20),
      (ids, one, two) => {
        const partitions = new Map([
          ["t", one],
          ["u", two],
        ]);
        const members = ids.map((id) => member(id, ["t", "u"]));
        const shares = share(members, partitions).map(({ memberAssignment }) => assignmentOf(memberAssignment));
        for (const [topic, count] of partitions) {
          const all = shares.flatMap((assignment) => assignment[topic] ?? []).sort((a, b) => a - b);
          expect(all).toEqual(Array.from({ length: count }, (_, index) => index));
        }
        const sizes = shares.map((assignment) => Object.values(assignment).flat().length);
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
      },
    ),
  );
});

test("a member gets nothing of topics that it did not ask for, and those that nobody asked for stay", () => {
  const members = [member("a", ["t", "t.retry"]), member("b", ["u"]), member("c", ["t", "u"])];
  expect(topicsOf(members)).toEqual(["t", "t.retry", "u"]);
  const partitions = new Map([
    ["t", 2],
    ["t.retry", 1],
    ["u", 3],
    ["v", 1],
  ]);
  const shares = new Map(
    share(members, partitions).map(({ memberId, memberAssignment }) => [memberId, assignmentOf(memberAssignment)]),
  );
  expect(shares.get("a")).toEqual({ t: [0], "t.retry": [0] });
  expect(shares.get("b")).toEqual({ u: [1] });
  expect(shares.get("c")).toEqual({ t: [1], u: [0, 2] });
});

test("no assignment is an empty one", () => {
  expect(assignmentOf(Buffer.alloc(0))).toEqual({});
});
