import { expect, test, vi } from "vitest";
import { backoffMs, ManualClock, systemClock, WeftError, withTimeout } from "./index.ts";

test("backoff grows to its bound and is jittered over all of it", () => {
  const high = { random: () => 0.999999, initialMs: 100, maxMs: 1000 };
  expect([1, 2, 3, 4, 5, 60].map((attempt) => Math.round(backoffMs(attempt, high)))).toEqual([
    100, 200, 400, 800, 1000, 1000,
  ]);
  expect(backoffMs(5, { random: () => 0 })).toBe(0);
});

test("a manual clock wakes sleepers in order of their time", async () => {
  const clock = new ManualClock(0);
  const woken: number[] = [];
  void clock.sleep(20).then(() => woken.push(clock.now()));
  void clock.sleep(10).then(async () => {
    woken.push(clock.now());
    await clock.sleep(5);
    woken.push(clock.now());
  });
  await clock.advance(12);
  expect(woken).toEqual([10]);
  await clock.advance(8);
  expect(woken).toEqual([10, 15, 20]);
  expect(clock.monotonic()).toBe(20);
});

test.each([["system", systemClock] as const, ["manual", new ManualClock()] as const])(
  "a sleep on the %s clock ends when its signal aborts",
  async (_, clock) => {
    const controller = new AbortController();
    const sleep = clock.sleep(60_000, controller.signal);
    controller.abort(new WeftError("DRAINING", "stopping"));
    await expect(sleep).rejects.toMatchObject({ reason: "DRAINING" });
    await expect(clock.sleep(1, controller.signal)).rejects.toMatchObject({ reason: "DRAINING" });
  },
);

test("a sleep may be longer than a timer can be", async () => {
  vi.useFakeTimers();
  try {
    const dayMs = 24 * 60 * 60 * 1000;
    let woken = false;
    void systemClock.sleep(60 * dayMs).then(() => (woken = true));
    await vi.advanceTimersByTimeAsync(60 * dayMs - 1);
    expect(woken).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(woken).toBe(true);
    const controller = new AbortController();
    const sleep = expect(systemClock.sleep(60 * dayMs, controller.signal)).rejects.toThrow();
    await vi.advanceTimersByTimeAsync(30 * dayMs);
    controller.abort();
    await sleep;
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});

test("withTimeout gives the result, the failure, or DEADLINE_EXCEEDED and aborts the work", async () => {
  const clock = new ManualClock();
  const options = { timeoutMs: 50, what: "the query", clock };
  expect(await withTimeout(async () => 7, options)).toBe(7);
  await expect(withTimeout(() => Promise.reject(new Error("no")), options)).rejects.toThrow("no");
  let seen: AbortSignal | undefined;
  const never = withTimeout((signal) => {
    seen = signal;
    return new Promise<never>(() => undefined);
  }, options);
  const late = expect(never).rejects.toMatchObject({
    reason: "DEADLINE_EXCEEDED",
    message: "the query took longer than 50 ms",
  });
  await clock.advance(50);
  await late;
  expect(seen?.aborted).toBe(true);
});

test("withTimeout follows the caller's signal", async () => {
  const controller = new AbortController();
  const work = withTimeout(() => new Promise<never>(() => undefined), {
    timeoutMs: 60_000,
    what: "it",
    signal: controller.signal,
  });
  controller.abort();
  await expect(work).rejects.toMatchObject({ code: "CANCELLED" });
});

test("withTimeout leaves no rejection behind when the work throws at once and the caller had given up", async () => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown): unknown => unhandled.push(reason);
  process.on("unhandledRejection", note);
  try {
    const work = (): Promise<never> => {
      throw new Error("no");
    };
    const options = { timeoutMs: 60_000, what: "it", signal: AbortSignal.abort() };
    await expect(withTimeout(work, options)).rejects.toThrow("no");
    await new Promise((resolve) => setImmediate(resolve));
    expect(unhandled).toEqual([]);
  } finally {
    process.off("unhandledRejection", note);
  }
});
