export { type ConsulLocksOptions, openConsulLocks } from "./locks.ts";
