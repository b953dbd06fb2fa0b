export { SharedLimiter, type SharedLimiterOptions } from "./shared-limiter.ts";
