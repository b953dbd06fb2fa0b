import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ManualClock } from "@weft/kit";
import { startProcess, within } from "@weft/kit/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openEmbeddedLocks } from "./index.ts";
import { LockTable } from "./table.ts";

let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "weft-lock-"));
});
afterEach(() => rm(dataDir, { recursive: true }));

test("a lease is renewed at a third of its TTL, and ends for others one TTL after the last renewal", async () => {
  const clock = new ManualClock();
  await using locks = await openEmbeddedLocks({ dataDir, clock });
  using table = new LockTable(dataDir);
  const startMs = clock.now();
  const lease = await locks.acquire("job", { ttlMs: 9000 });
  expect(table.expiresMs("job")).toBe(startMs + 9000);
  await clock.advance(2999);
  expect(table.expiresMs("job")).toBe(startMs + 9000);
  await clock.advance(1);
  expect(table.expiresMs("job")).toBe(startMs + 12_000);
  await lease?.release();
  expect(table.expiresMs("job")).toBe(0);
});

test("a holder whose lease was taken over sees lost at its next renewal, and its release harms nobody", async () => {
  const clock = new ManualClock();
  await using locks = await openEmbeddedLocks({ dataDir, clock });
  using table = new LockTable(dataDir);
  const lease = await locks.acquire("job", { ttlMs: 9000 });
  // As a clock that was set forward in another process would have it.
  expect(table.take("job", clock.now() + 10_000, 60_000)).toBe((lease?.token ?? 0n) + 1n);
  await clock.advance(3000);
  expect(lease?.lost.reason).toMatchObject({ reason: "LEASE_LOST" });
  await lease?.release();
  expect(table.expiresMs("job")).toBeGreaterThan(clock.now());
});

test("a holder that was stopped for longer than its TTL sees lost as soon as it goes on", async () => {
  await using locks = await openEmbeddedLocks({ dataDir });
  await using holder = await startProcess(`
    import { openEmbeddedLocks } from ${JSON.stringify(join(import.meta.dirname, "index.ts"))};
    const locks = await openEmbeddedLocks({ dataDir: ${JSON.stringify(dataDir)} });
    const lease = await locks.acquire("job", { ttlMs: 500 });
    lease.lost.addEventListener("abort", () => void locks.acquire("lost was seen", { ttlMs: 60_000 }));
  `);
  holder.signal("SIGSTOP");
  const next = await locks.acquire("job", { ttlMs: 60_000, waitMs: 10_000 });
  expect(next?.token).toBe(2n);
  holder.signal("SIGCONT");
  using table = new LockTable(dataDir);
  await within(10_000, "lost", () => table.expiresMs("lost was seen") > 0);
  expect(next?.lost.aborted).toBe(false);
});
