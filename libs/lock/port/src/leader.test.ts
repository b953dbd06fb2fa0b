import { ManualClock, WeftError } from "@weft/kit";
import { expect, test } from "vitest";
import { type Lease, type Locks, runAsLeader } from "./index.ts";

/** Gives what `next` gives, and counts releases. */
function fakeLocks(next: () => Lease | undefined | Error | Promise<Lease | undefined>): Locks {
  return {
    acquire: async () => {
      const given = await next();
      if (given instanceof Error) throw given;
      return given;
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}

class FakeLease implements Lease {
  readonly name = "job";
  readonly token: bigint;
  readonly control = new AbortController();
  released = 0;

  constructor(token: bigint) {
    this.token = token;
  }

  get lost(): AbortSignal {
    return this.control.signal;
  }

  async release(): Promise<void> {
    this.released += 1;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve());
  });

/** Longest pauses: full jitter at its upper end. */
const backoff = { initialMs: 100, maxMs: 1000, random: () => 0.999 };

test("a leader works until it loses the lease, and again when it has a new one", async () => {
  const clock = new ManualClock();
  const stop = new AbortController();
  const leases = [new FakeLease(1n), new FakeLease(2n)];
  const waiting = [...leases];
  const turns: string[] = [];
  const running = runAsLeader(
    fakeLocks(() => waiting.shift()),
    "job",
    async (lease, signal) => {
      turns.push(`start ${lease.token}`);
      await aborted(signal);
      turns.push(`end ${lease.token}`);
    },
    { signal: stop.signal, clock, backoff },
  );
  await clock.advance(10_000);
  expect(turns).toEqual(["start 1"]);
  leases[0]?.control.abort(new WeftError("LEASE_LOST", "gone"));
  await clock.advance(1000);
  expect(turns).toEqual(["start 1", "end 1", "start 2"]);
  stop.abort();
  await running;
  expect(turns.at(-1)).toBe("end 2");
  expect(leases.map((lease) => lease.released)).toEqual([1, 1]);
});

test("failures of the work and of the store lead to growing pauses, and never to a rejection", async () => {
  const clock = new ManualClock(0);
  const stop = new AbortController();
  const triedAt: number[] = [];
  const running = runAsLeader(
    fakeLocks(() => {
      triedAt.push(clock.now());
      return triedAt.length % 2 === 0 ? new WeftError("UNAVAILABLE", "away") : new FakeLease(BigInt(triedAt.length));
    }),
    "job",
    async () => {
      throw new Error("broken");
    },
    { signal: stop.signal, clock, backoff },
  );
  await clock.advance(1600);
  expect(triedAt.map((at) => Math.round(at / 100))).toEqual([0, 1, 3, 7, 15]);
  stop.abort();
  await running;
});

test("a follower campaigns on after each wait without success, and stops at once when it is told to", async () => {
  const clock = new ManualClock();
  const stop = new AbortController();
  let tries = 0;
  const running = runAsLeader(
    fakeLocks(async () => {
      tries += 1;
      await clock.sleep(30_000, stop.signal);
      return undefined;
    }),
    "job",
    async () => expect.unreachable(),
    { signal: stop.signal, clock },
  );
  await clock.advance(65_000);
  expect(tries).toBe(3);
  stop.abort();
  await running;
  await runAsLeader(
    fakeLocks(() => expect.unreachable()),
    "job",
    async () => undefined,
    { signal: stop.signal },
  );
});

test("work that resolves by itself hands the leadership on, and is asked again after a pause", async () => {
  const clock = new ManualClock();
  const stop = new AbortController();
  const leases: FakeLease[] = [];
  const running = runAsLeader(
    fakeLocks(() => {
      leases.push(new FakeLease(BigInt(leases.length)));
      return leases.at(-1);
    }),
    "job",
    async () => undefined,
    { signal: stop.signal, clock, backoff },
  );
  await clock.advance(50);
  expect(leases.map((lease) => lease.released)).toEqual([1]);
  await clock.advance(100);
  expect(leases.length).toBe(2);
  stop.abort();
  await running;
});
