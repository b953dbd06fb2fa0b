import { setTimeout as sleep } from "node:timers/promises";
import { describeMutants, type Mutant } from "@weft/kit/testing";
import type { Lease, Locks } from "../index.ts";
import { describeLockConformance, type LockFixture } from "./index.ts";
import { laws } from "./laws.ts";
import { modelFixture } from "./model.ts";

describeLockConformance("model", async () => modelFixture());

type Model = ReturnType<typeof modelFixture>;

/** The model, with some methods of every handle replaced. */
function handles(change: (right: Locks, fixture: Model) => Partial<Locks>) {
  return async (): Promise<LockFixture> => {
    const fixture = modelFixture();
    return {
      ...fixture,
      open: async () => {
        const right = await fixture.open();
        return {
          acquire: (name, options) => right.acquire(name, options),
          [Symbol.asyncDispose]: () => right[Symbol.asyncDispose](),
          ...change(right, fixture),
        };
      },
    };
  };
}

/** The model, with some members of every lease replaced. */
function leases(change: (right: Lease, fixture: Model) => Partial<Lease>) {
  return handles((right, fixture) => ({
    acquire: async (name, options) => {
      const lease = await right.acquire(name, options);
      if (lease === undefined) return undefined;
      return {
        name: lease.name,
        token: lease.token,
        lost: lease.lost,
        release: () => lease.release(),
        [Symbol.asyncDispose]: () => lease[Symbol.asyncDispose](),
        ...change(lease, fixture),
      };
    },
  }));
}

const mutants: readonly Mutant<LockFixture>[] = [
  {
    fault: "whoever waits takes the lock from its holder",
    breaks: "L1",
    open: handles((right, fixture) => ({
      acquire: (name, options) => {
        fixture.forceRelease(name);
        return right.acquire(name, options);
      },
    })),
  },
  {
    fault: "leases are not renewed",
    breaks: "L1",
    open: handles((right) => ({
      acquire: async (name, options) => {
        const lease = await right.acquire(name, options);
        if (lease !== undefined) setTimeout(() => void lease.release(), options?.ttlMs).unref();
        return lease;
      },
    })),
  },
  { fault: "every lease has the same token", breaks: "L2", open: leases(() => ({ token: 1n })) },
  {
    fault: "the TTL asked for is not kept",
    breaks: "L3",
    open: async () => {
      const fixture = modelFixture();
      return { ...fixture, acquireElsewhere: (name) => fixture.acquireElsewhere(name, { ttlMs: 20_000 }) };
    },
  },
  { fault: "a holder is never told", breaks: "L4", open: leases(() => ({ lost: new AbortController().signal })) },
  {
    fault: "a waiter looks every 3 s only",
    breaks: "L5",
    open: handles((right) => ({
      acquire: async (name, { waitMs = 0, ...options } = {}) => {
        for (let leftMs = waitMs; ; leftMs -= 3000) {
          const lease = await right.acquire(name, options);
          if (lease !== undefined || leftMs <= 0) return lease;
          await sleep(3000);
        }
      },
    })),
  },
  {
    fault: "a release frees the lock whoever holds it",
    breaks: "L6",
    open: leases((right, fixture) => ({ release: async () => fixture.forceRelease(right.name) })),
  },
  {
    fault: "leases outlive their block",
    breaks: "L7",
    open: handles(() => ({ [Symbol.asyncDispose]: async () => undefined })),
  },
];

describeMutants("locks: mutants", laws, mutants);
