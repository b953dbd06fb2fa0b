export { openRedisState, type OpenRedisStateOptions } from "./state.ts";
