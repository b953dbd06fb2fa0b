export { type EmbeddedLocksOptions, openEmbeddedLocks } from "./locks.ts";
