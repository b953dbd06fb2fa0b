import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { isWeftError } from "@weft/kit";
import { type Law, Stopwatch, within } from "@weft/kit/testing";
import type { Lease, Locks } from "../index.ts";
import type { LockFixture } from "./fixture.ts";

const soonMs = 1000;
const ttlMs = 2000;
/** What others wait for a lock that they are going to get: never the limit that is tested. */
const patienceMs = 15_000;

/** The laws of {@link Locks}. */
export const laws: readonly Law<LockFixture>[] = [
  {
    title: "L1 a held lock is refused to everybody, in this process and others; another name is not",
    run: async (fixture) => {
      const [first, second] = [await fixture.open(), await fixture.open()];
      const lease = await held(first);
      assert.equal(lease.name, "job");
      assert.equal(await first.acquire("job"), undefined);
      assert.equal(await second.acquire("job"), undefined);
      await held(second, "other");
    },
  },
  {
    title: "L1 of many who ask at the same time, one at a time holds the lock",
    run: async (fixture) => {
      const all = await Promise.all(Array.from({ length: 4 }, () => fixture.open()));
      let holders = 0;
      const turns = await Promise.all(
        [...all, ...all].map(async (locks) => {
          const lease = await locks.acquire("job", { ttlMs, waitMs: patienceMs });
          assert.ok(lease, "never got the lock");
          holders += 1;
          assert.equal(holders, 1, "two hold the lock");
          await sleep(10);
          holders -= 1;
          await lease.release();
          return lease.token;
        }),
      );
      assert.equal(new Set(turns).size, turns.length);
    },
  },
  {
    title: "L1 a lease is held while its holder lives, far beyond its TTL",
    run: async (fixture) => {
      // Longer than a busy machine keeps the holder from beating.
      const longTtlMs = 1.5 * ttlMs;
      const lease = await held(await fixture.open(), "job", longTtlMs);
      const other = await fixture.open();
      assert.equal(await other.acquire("job", { waitMs: 2.5 * longTtlMs }), undefined);
      assert.equal(lease.lost.aborted, false);
    },
  },
  {
    title: "L2 tokens grow through releases, and through the end of every handle",
    run: async (fixture) => {
      const first = await fixture.open();
      const tokens: bigint[] = [];
      for (const locks of [first, await fixture.open(), first]) {
        const lease = await held(locks);
        tokens.push(lease.token);
        await lease.release();
      }
      await held(first);
      await first[Symbol.asyncDispose]();
      const again = await held(await fixture.open());
      tokens.push(again.token);
      assertGrowing(tokens);
    },
  },
  {
    title: "L2 tokens grow through an expiry",
    run: async (fixture) => {
      const locks = await fixture.open();
      const before = await held(locks);
      await before.release();
      const elsewhere = await fixture.acquireElsewhere("job", { ttlMs });
      await elsewhere.kill();
      const after = await locks.acquire("job", { waitMs: patienceMs });
      assert.ok(after);
      assert.ok(after.token > before.token + 1n, "the dead holder's token may be in use again");
    },
  },
  {
    title: "L3 a lease whose holder died is free after at most one TTL and 1 s, and not before it could know",
    run: async (fixture) => {
      const locks = await fixture.open();
      const elsewhere = await fixture.acquireElsewhere("job", { ttlMs });
      assert.equal(await locks.acquire("job"), undefined);
      await elsewhere.kill();
      await within(ttlMs + soonMs, "the lock is free", async () => (await locks.acquire("job")) !== undefined);
    },
  },
  {
    title: "L3 a waiter gets the lock of a holder that died within one TTL and 1 s",
    run: async (fixture) => {
      const locks = await fixture.open();
      const elsewhere = await fixture.acquireElsewhere("job", { ttlMs });
      const waiting = locks.acquire("job", { waitMs: patienceMs });
      await elsewhere.kill();
      using sinceKill = new Stopwatch();
      assert.ok(await waiting);
      assert.ok(sinceKill.ms <= ttlMs + soonMs, "the waiter waited too long");
    },
  },
  {
    title:
      "L4 a holder that can't renew sees lost before the TTL has passed, and may not lead on when the store is back",
    run: async (fixture) => {
      const lease = await held(await fixture.open());
      const cut = await fixture.cut();
      using passed = new Stopwatch();
      await within(ttlMs, "lost", () => lease.lost.aborted);
      assert.ok(passed.ms < ttlMs, "lost came too late");
      assert.ok(isWeftError(lease.lost.reason, "LEASE_LOST"));
      await cut.restore();
      const next = await (await fixture.open()).acquire("job", { waitMs: patienceMs });
      assert.ok(next && next.token > lease.token);
      await lease.release();
      assert.equal(await (await fixture.open()).acquire("job"), undefined, "a lost lease's release freed another's");
    },
  },
  {
    title: "L4 a short outage does not cost the lease",
    run: async (fixture) => {
      const lease = await held(await fixture.open(), "job", 3 * ttlMs);
      const cut = await fixture.cut();
      await sleep(1.3 * ttlMs);
      await cut.restore();
      await sleep(2.5 * ttlMs);
      assert.equal(lease.lost.aborted, false);
      assert.equal(await (await fixture.open()).acquire("job"), undefined);
    },
  },
  {
    title: "L5 a waiter gets the lock within 1 s of its release",
    run: async (fixture) => {
      const lease = await held(await fixture.open(), "job", 30_000);
      const waiting = (await fixture.open()).acquire("job", { waitMs: patienceMs });
      await sleep(200);
      await lease.release();
      using sinceRelease = new Stopwatch();
      assert.ok(await waiting);
      assert.ok(sinceRelease.ms <= soonMs, "the waiter waited too long");
    },
  },
  {
    title: "L5 a wait ends with undefined when its time is up, and rejects when its signal aborts",
    run: async (fixture) => {
      await held(await fixture.open());
      const other = await fixture.open();
      const startMs = performance.now();
      using passed = new Stopwatch();
      assert.equal(await other.acquire("job", { waitMs: 300 }), undefined);
      const waitedMs = performance.now() - startMs;
      assert.ok(waitedMs > 290 && passed.ms < 300 + soonMs, `waited ${waitedMs} ms instead of 300`);
      const controller = new AbortController();
      const waiting = other.acquire("job", { waitMs: patienceMs, signal: controller.signal });
      controller.abort();
      await assert.rejects(waiting, (error) => isWeftError(error, "CANCELLED"));
    },
  },
  {
    title: "L6 releasing twice does nothing to another's lease",
    run: async (fixture) => {
      const locks = await fixture.open();
      const lease = await held(locks);
      await lease.release();
      const other = await held(await fixture.open());
      await lease.release();
      await lease[Symbol.asyncDispose]();
      assert.equal(await locks.acquire("job"), undefined);
      assert.equal(other.lost.aborted, false);
    },
  },
  {
    title: "L7 after dispose of the block its leases are free, and their holders have seen lost",
    run: async (fixture) => {
      const locks = await fixture.open();
      const lease = await held(locks, "job", 30_000);
      await locks[Symbol.asyncDispose]();
      assert.equal(lease.lost.aborted, true);
      assert.ok(await (await fixture.open()).acquire("job", { waitMs: soonMs }));
    },
  },
  {
    title: "L8 a bad name or option is INVALID_ARGUMENT",
    run: async (fixture) => {
      const locks = await fixture.open();
      const isRefusal = (error: unknown): boolean => isWeftError(error, "INVALID_ARGUMENT");
      for (const name of ["", "n".repeat(256), "half \ud800"]) await assert.rejects(locks.acquire(name), isRefusal);
      for (const options of [{ ttlMs: 99 }, { ttlMs: Number.NaN }, { waitMs: -1 }]) {
        await assert.rejects(locks.acquire("job", options), isRefusal);
      }
    },
  },
];

async function held(locks: Locks, name = "job", leaseTtlMs = ttlMs): Promise<Lease> {
  const lease = await locks.acquire(name, { ttlMs: leaseTtlMs });
  assert.ok(lease, `the lock '${name}' is not free`);
  return lease;
}

function assertGrowing(tokens: readonly bigint[]): void {
  for (const [place, token] of tokens.entries()) {
    const before = tokens[place - 1];
    assert.ok(before === undefined || token > before, `tokens do not grow: ${tokens.join(", ")}`);
  }
}
