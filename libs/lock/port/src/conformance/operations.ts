import assert from "node:assert/strict";
import { newUuid } from "@weft/kit";
import type { Operation } from "@weft/kit/testing";
import type { AcquireOptions, Locks } from "../index.ts";

/** What a caller does with locks, for {@link describeFaults}. Each run has a lock of its own, which nobody else holds. */
export const lockOperations: readonly Operation<Locks>[] = [
  { title: "acquire, then release", writes: true, run: (locks) => turn(locks, {}) },
  { title: "acquire with time to wait, then release", writes: true, run: (locks) => turn(locks, { waitMs: 1000 }) },
];

async function turn(locks: Locks, options: AcquireOptions): Promise<void> {
  const lease = await locks.acquire(`fault-${newUuid()}`, options);
  assert.ok(lease, "a lock that nobody holds was refused");
  await lease.release();
}
