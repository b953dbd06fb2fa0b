import { type Log, ManualClock, silentLog, WeftError } from "@weft/kit";
import { expect, test } from "vitest";
import { HeldLease } from "./index.ts";

const ttlMs = 9000;

/** A lease whose renewals are answered by hand. */
function held(options: { readonly sinceMs?: number } = {}) {
  const clock = new ManualClock();
  const renewals: { atMs: number; timeoutMs: number; answer: PromiseWithResolvers<boolean> }[] = [];
  const lines: string[] = [];
  const say = (_: object, text: string): void => void lines.push(text);
  const log: Log = { ...silentLog, info: say, warn: say };
  const counts = { freed: 0, ended: 0 };
  const lease = new HeldLease({
    ...{ name: "job", token: 1n, ttlMs, sinceMs: 0, clock, log, ...options },
    renew: (timeoutMs) => {
      const answer = Promise.withResolvers<boolean>();
      renewals.push({ atMs: clock.monotonic(), timeoutMs, answer });
      return answer.promise;
    },
    free: async () => void (counts.freed += 1),
    onEnd: () => void (counts.ended += 1),
  });
  return { clock, lease, renewals, lines, counts };
}

const away = new WeftError("UNAVAILABLE", "away");
const times = (renewals: readonly { atMs: number }[]): number[] => renewals.map(({ atMs }) => atMs);

test("it is renewed every third of its TTL, however long the answer took", async () => {
  const { clock, lease, renewals } = held();
  await clock.advance(3000);
  await clock.advance(500);
  renewals[0]?.answer.resolve(true);
  await clock.advance(2500);
  expect(times(renewals)).toEqual([3000, 6000]);
  expect(renewals[0]?.timeoutMs).toBe(4650);
  await lease.release();
});

test("a renewal that takes long gets another beside it, and its late answer counts from when it was sent", async () => {
  const { clock, lease, renewals } = held();
  await clock.advance(6000);
  expect(times(renewals)).toEqual([3000, 6000]);
  await clock.advance(1000);
  renewals[0]?.answer.resolve(true);
  // 85 % of the TTL after it was sent, not after it was answered.
  await clock.advance(3649);
  expect(lease.lost.aborted).toBe(false);
  await clock.advance(1);
  expect(lease.lost.reason).toMatchObject({ reason: "LEASE_LOST" });
});

test("a renewal that fails is tried again soon, and an outage is one line and another at its end", async () => {
  const { clock, lease, renewals, lines } = held();
  for (const ms of [3000, 300, 300]) {
    await clock.advance(ms);
    renewals.at(-1)?.answer.reject(away);
  }
  await clock.advance(300);
  expect(times(renewals)).toEqual([3000, 3300, 3600, 3900]);
  renewals.at(-1)?.answer.resolve(true);
  await clock.advance(0);
  expect(lines).toEqual(["a lease could not be renewed; it will be tried again", "the lease is renewed again"]);
  await lease.release();
});

test("one that is never renewed is lost 15 % of its TTL before others may have it, and let go", async () => {
  const { clock, lease, counts } = held();
  await clock.advance(7649);
  expect(lease.lost.aborted).toBe(false);
  await clock.advance(1);
  expect(lease.lost.aborted).toBe(true);
  expect(counts).toEqual({ freed: 1, ended: 1 });
});

test("one whose making took longer than that is lost from the start", () => {
  expect(held({ sinceMs: -7650 }).lease.lost.aborted).toBe(true);
});

test("one that another has is lost at once", async () => {
  const { clock, lease, renewals, counts } = held();
  await clock.advance(3000);
  renewals[0]?.answer.resolve(false);
  await clock.advance(0);
  expect(lease.lost.aborted).toBe(true);
  expect(counts).toEqual({ freed: 1, ended: 1 });
});

test("a release is not a loss, whatever a renewal under way says, and waits for nothing", async () => {
  const { clock, lease, renewals, lines, counts } = held();
  await clock.advance(3000);
  renewals[0]?.answer.resolve(false);
  await lease.release();
  await lease.release();
  await clock.advance(ttlMs);
  expect(lease.lost.aborted).toBe(false);
  expect(renewals).toHaveLength(1);
  expect(lines).toEqual([]);
  expect(counts).toEqual({ freed: 1, ended: 1 });
});

test("the end of the block is a loss, but not of what was released before", async () => {
  const { lease } = held();
  await lease.abandon();
  expect(lease.lost.reason).toMatchObject({ reason: "LEASE_LOST" });
  const released = held().lease;
  await released.release();
  await released.abandon();
  expect(released.lost.aborted).toBe(false);
});
