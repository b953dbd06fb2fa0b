export { type Bucket, levelAt, pour, remaining, rescale, resetMs, waitMs } from "./bucket.ts";
export { type Draw, Limiter, type LimiterOptions, type Standing, type Verdict } from "./limiter.ts";
export { parseQuota, type Quota, quotaForm } from "./quota.ts";
export { RecentKeys, type RecentKeysOptions } from "./recent-keys.ts";
export { type Importance, Tightening, type TighteningOptions } from "./tightening.ts";
