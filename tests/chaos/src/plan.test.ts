import { expect, test } from "vitest";
import { serverNames } from "@weft/native";
import { describeFault, planRound, type Surroundings } from "./plan.ts";

const surroundings: Surroundings = {
  seed: 7,
  replicas: { gateway: 1, user: 2 },
  ledgers: 1,
  servers: serverNames,
  roundMs: 5000,
};
const plan = (change: Partial<Surroundings> = {}) =>
  Array.from({ length: 1000 }, (_, index) => planRound(index + 1, { ...surroundings, ...change }));
const faults = plan().flatMap((round) => round.faults);

test("a seed gives the same faults again, another one gives others", () => {
  expect(plan()).toEqual(plan());
  expect(plan({ seed: 8 })).not.toEqual(plan());
});

test("every kind of fault comes up, on every server and process", () => {
  // Without times.
  const words = new Set(faults.map((fault) => describeFault(fault).split(/,| for | by /)[0]));
  for (const name of serverNames) {
    for (const fault of ["kill -9", "cut", "stall", "slow", "reset"]) expect(words).toContain(`${fault} ${name}`);
  }
  for (const name of ["gateway-1", "user-1", "user-2", "ledger-1"]) {
    expect(words).toContain(`kill -9 ${name}`);
    expect(words).toContain(`freeze ${name}`);
  }
  expect(words).toContain("kill -9 the relay's leader");
  expect(words).toContain("freeze the relay's leader");
});

test("a round has one or two faults, in its first half", () => {
  for (const round of plan()) {
    expect([1, 2]).toContain(round.faults.length);
    expect(new Set(round.faults.map((fault) => ("server" in fault ? fault.server : fault))).size).toBe(
      round.faults.length,
    );
    for (const { atMs } of round.faults) expect(atMs).toBeLessThanOrEqual(surroundings.roundMs / 2);
  }
  expect(new Set(plan().map(({ mendsAll }) => mendsAll)).size).toBe(2);
});
