export { HeldLease, type HeldLeaseOptions } from "./held-lease.ts";
export { type LeaderOptions, runAsLeader } from "./leader.ts";
export type { AcquireOptions, Lease, Locks } from "./lock.ts";
export { acquireDefaults } from "./options.ts";
