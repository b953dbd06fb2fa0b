import { ManualClock } from "@weft/kit";
import { expect, test } from "vitest";
import { Observations } from "./observations.ts";

const record = (version: number, ttlMs = 1000, session = "s1") => ({ version, ttlMs, session });

test("a lock counts as held for one TTL since its record was first seen, by this clock alone", async () => {
  const clock = new ManualClock();
  const observations = new Observations(clock);
  expect(observations.heldForMs("job", record(7))).toBe(1000);
  await clock.advance(600);
  expect(observations.heldForMs("job", record(7))).toBe(400);
  await clock.advance(400);
  expect(observations.heldForMs("job", record(7))).toBe(0);
  // Another lock is another matter.
  expect(observations.heldForMs("other", record(7))).toBe(1000);
});

test("a renewal and another holder count anew; a lock that is free is forgotten", async () => {
  const clock = new ManualClock();
  const observations = new Observations(clock);
  observations.heldForMs("job", record(7));
  await clock.advance(900);
  expect(observations.heldForMs("job", record(8, 500))).toBe(500);
  await clock.advance(100);
  expect(observations.heldForMs("job", record(8, 500, "s2"))).toBe(500);
  expect(observations.heldForMs("job", undefined)).toBe(0);
  await clock.advance(5000);
  expect(observations.heldForMs("job", record(8, 500, "s2"))).toBe(500);
});

test("of very many locks the oldest sightings are forgotten", async () => {
  const clock = new ManualClock();
  const observations = new Observations(clock);
  for (let count = 0; count <= 1000; count += 1) observations.heldForMs(`job ${count}`, record(1));
  await clock.advance(600);
  expect(observations.heldForMs("job 1000", record(1))).toBe(400);
  expect(observations.heldForMs("job 0", record(1))).toBe(1000);
});
