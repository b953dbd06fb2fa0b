import { expect, test } from "vitest";
import { ManualClock, WeftError } from "@weft/kit";
import { Readiness } from "./readiness.ts";

test("ready while it serves and every check passes; asked at most once a second", async () => {
  const clock = new ManualClock();
  const readiness = new Readiness(clock);
  let asked = 0;
  let isFine = true;
  readiness.add("store", async () => {
    asked += 1;
    if (!isFine) throw new WeftError("UNAVAILABLE", "gone");
  });
  expect((await readiness.report()).status).toBe("starting");
  readiness.phase = "serving";
  expect(await readiness.report()).toEqual({ status: "ready", checks: { store: "ok" } });
  isFine = false;
  expect((await readiness.report()).status).toBe("ready");
  expect(asked).toBe(1);
  await clock.advance(1000);
  expect(await readiness.report()).toEqual({ status: "unready", checks: { store: "UNAVAILABLE: gone" } });
  readiness.phase = "draining";
  expect((await readiness.report()).status).toBe("draining");
});

test("a check that hangs fails after a second", async () => {
  const clock = new ManualClock();
  const readiness = new Readiness(clock);
  readiness.phase = "serving";
  readiness.add("slow", () => new Promise(() => undefined));
  const report = readiness.report();
  await clock.advance(1000);
  expect((await report).checks).toEqual({ slow: "DEADLINE_EXCEEDED: the check took longer than 1000 ms" });
});

test("a process waits for its checks to pass, for a limited time", async () => {
  const clock = new ManualClock();
  const readiness = new Readiness(clock);
  let isFine = false;
  readiness.add("store", async () => {
    if (!isFine) throw new WeftError("UNAVAILABLE", "gone");
  });
  const never = new AbortController().signal;
  const late = readiness.passes(1000, never);
  await clock.advance(1000);
  expect(await late).toBe(false);
  const soon = readiness.passes(Number.POSITIVE_INFINITY, never);
  await clock.advance(100_000);
  isFine = true;
  await clock.advance(200);
  expect(await soon).toBe(true);
  isFine = false;
  const stop = new AbortController();
  const given = readiness.passes(Number.POSITIVE_INFINITY, stop.signal);
  await clock.advance(300);
  stop.abort();
  expect(await given).toBe(false);
});
