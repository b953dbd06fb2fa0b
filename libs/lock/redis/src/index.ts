export { openRedisLocks, type RedisLocksOptions } from "./locks.ts";
