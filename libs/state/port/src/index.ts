export type { RangeOptions, SetOptions, StateCapability, StateEntry, StateOperation, StateStore } from "./state.ts";
