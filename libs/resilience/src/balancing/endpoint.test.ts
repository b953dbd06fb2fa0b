import fc from "fast-check";
import { expect, test } from "vitest";
import { Endpoint, type Outcome } from "./endpoint.ts";
import { call, factsOf, usualTimes } from "./fixture.ts";
import { balancingDefaults } from "./options.ts";
import { UsualTimes } from "./usual.ts";

const { latencyDecayMs, warmUp } = balancingDefaults;

function known(tookMs: number): Endpoint {
  const endpoint = new Endpoint(factsOf("a"), 0);
  call(endpoint, 0, tookMs);
  return endpoint;
}

test("latency rises to a slow answer at once, and falls with answers and with time", () => {
  const endpoint = known(10);
  call(endpoint, 100, 200);
  expect(endpoint.latencyMs).toBe(200);
  for (let turn = 0; turn < 16; turn += 1) call(endpoint, 300 + turn, 10);
  expect(endpoint.latencyMs).toBeLessThan(40);
  expect(known(100).latencyAt(100 + latencyDecayMs, latencyDecayMs)).toBeCloseTo(100 / Math.E);
});

test("a call that failed or was given up raises latency when it was late, and never lowers it", () => {
  const outcomes = fc.constantFrom<Outcome>("failure", "cancelled", "refused");
  fc.assert(
    fc.property(
      outcomes,
      fc.integer({ min: 1, max: 1000 }),
      fc.integer({ min: 1, max: 1000 }),
      (outcome, usual, took) => {
        const endpoint = known(usual);
        const atOnce = usual;
        endpoint.begin(false, atOnce - took);
        endpoint.end(outcome, took, atOnce, latencyDecayMs);
        expect(endpoint.latencyMs).toBe(outcome === "refused" ? usual : Math.max(usual, took));
      },
    ),
  );
});

test("calls of a method of which nothing is known make nobody dear: those that run, that fail and the first that is answered", () => {
  const times = new UsualTimes();
  const [quick, first] = [times.of("Get"), times.of("Import")];
  const endpoint = new Endpoint(factsOf("a"), 0);
  for (let turn = 0; turn < 100; turn += 1) call(endpoint, turn * 5, 5, "ok", quick);
  endpoint.begin(false, 1_000, first);
  expect(endpoint.latenessAt(100_000)).toBe(0);
  expect(endpoint.isOverdueAt(100_000)).toBe(false);
  // A call of which it is known how long it takes is late all the same.
  endpoint.begin(false, 100_000, quick);
  expect(endpoint.latenessAt(100_100)).toBeGreaterThan(90);
  endpoint.end("ok", 105, 100_105, latencyDecayMs, quick);
  for (let turn = 0; turn < 100; turn += 1) call(endpoint, 110_000 + turn * 5, 5, "ok", quick);
  for (const outcome of ["failure", "cancelled", "refused"] as const) {
    call(endpoint, 120_000, 2_000, outcome, first);
    expect(endpoint.latencyMs).toBeLessThan(6);
  }
  endpoint.end("ok", 130_000, 131_000, latencyDecayMs, first);
  expect(endpoint.latencyMs).toBeLessThan(400);
  expect(endpoint.latencyMs).toBeCloseTo(times.overallMs);
});

test("a pause is forgotten while a call runs that began before it, and a trial counts in full until it is late itself", () => {
  const [quick, long] = usualTimes(5, 5_000);
  const endpoint = new Endpoint(factsOf("a"), 0);
  endpoint.begin(false, 0, long);
  call(endpoint, 1_000, 500, "ok", quick);
  const full = endpoint.latencyMs;
  expect(endpoint.latencyAt(11_500, latencyDecayMs)).toBeLessThan(full / 1_000);
  const forgotten = endpoint.latencyAt(2_500, latencyDecayMs);
  endpoint.begin(false, 2_500, long);
  expect(endpoint.latencyAt(2_500 + full, latencyDecayMs)).toBe(full);
  expect(endpoint.latencyAt(2_501 + full, latencyDecayMs)).toBeCloseTo(forgotten);
});

test("a fast failure of an instance of which nothing is known says nothing of its latency", () => {
  const endpoint = new Endpoint(factsOf("a"), 0);
  call(endpoint, 0, 1, "failure");
  expect(endpoint.latencyMs).toBe(0);
});

test("silence is how long somebody has waited since the last answer; streams do not wait", () => {
  const endpoint = known(10);
  endpoint.begin(true, 100);
  expect(endpoint.silenceAt(5_000)).toBe(0);
  endpoint.begin(false, 5_000);
  endpoint.begin(false, 6_000);
  expect(endpoint.silenceAt(6_500)).toBe(1_500);
  endpoint.end("failure", 2_000, 7_000, latencyDecayMs);
  expect(endpoint.silenceAt(7_000)).toBe(2_000);
  endpoint.end("ok", 1_500, 7_500, latencyDecayMs);
  expect(endpoint.silenceAt(9_000)).toBe(0);
  endpoint.end("ok", undefined, 9_000, latencyDecayMs);
  expect(endpoint.inFlight).toBe(0);
});

test("whatever happens, what was measured stays within what happened", () => {
  const calls = fc.array(
    fc.record({
      outcome: fc.constantFrom<Outcome>("ok", "failure", "refused", "cancelled"),
      tookMs: fc.integer({ min: 1, max: 10_000 }),
      pauseMs: fc.nat(20_000),
    }),
  );
  fc.assert(
    fc.property(calls, (plan) => {
      const endpoint = new Endpoint(factsOf("a"), 0);
      let nowMs = 0;
      for (const { outcome, tookMs, pauseMs } of plan) {
        call(endpoint, nowMs, tookMs, outcome);
        nowMs += tookMs + pauseMs;
      }
      const longest = Math.max(0, ...plan.map(({ tookMs }) => tookMs));
      expect(endpoint.inFlight).toBe(0);
      expect(endpoint.latencyMs).toBeGreaterThanOrEqual(0);
      expect(endpoint.latencyMs).toBeLessThanOrEqual(longest);
      expect(endpoint.failureShare).toBeGreaterThanOrEqual(0);
      expect(endpoint.failureShare).toBeLessThanOrEqual(1);
    }),
  );
});

test("warm-up grows from its least share to the full weight, and is over then", () => {
  fc.assert(
    fc.property(
      fc.nat(12_000),
      fc.nat(12_000),
      fc.double({ min: 0.1, max: 10, noNaN: true }),
      (one, other, aggression) => {
        const endpoint = new Endpoint(factsOf("a", { weight: 3 }), 0);
        endpoint.startWarmUp(0, { ...warmUp, aggression });
        const [earlier, later] = [Math.min(one, other), Math.max(one, other)];
        expect(endpoint.weightAt(0)).toBeCloseTo(0.3);
        expect(endpoint.weightAt(earlier)).toBeLessThanOrEqual(endpoint.weightAt(later));
        expect(endpoint.weightAt(warmUp.windowMs)).toBe(3);
        expect(endpoint.weightAt(0)).toBe(3);
      },
    ),
  );
});
