export { type RangeBounds, rangeBounds } from "./bounds.ts";
export { boundedStore, type BoundedStoreOptions, type CacheStore } from "./bounded.ts";
export { type Cache, type CacheOptions, createCache, type Loader } from "./cache.ts";
export type { RangeOptions, SetOptions, StateCapability, StateEntry, StateOperation, StateStore } from "./state.ts";
export { checkKey, checkRange, checkSet, checkTransaction } from "./validate.ts";
