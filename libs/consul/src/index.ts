export {
  type Blocking,
  type Consul,
  type ConsulAnswer,
  type ConsulOptions,
  type ConsulRequest,
  maxBlockMs,
  openConsul,
} from "./client.ts";
export { keyPart, type KvEntry, type KvOperation, readKv, transact } from "./kv.ts";
export { type Indexed, newest, type NewestOptions, type Sighting, watch, type WatchOptions } from "./watch.ts";
