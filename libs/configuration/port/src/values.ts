import { WeftError } from "@weft/kit";
import type { ConfigurationUpdate } from "./configuration.ts";

const maxKeyLength = 512;

/** Refuses a key that is empty or longer than 512 characters with `INVALID_ARGUMENT`. */
export function checkKey(key: string): void {
  if (key !== "" && key.length <= maxKeyLength) return;
  throw new WeftError("INVALID_ARGUMENT", `a setting's key has 1 to ${maxKeyLength} characters`);
}

/** Whether two updates tell a watcher the same. */
export function sameUpdate(a: ConfigurationUpdate, b: ConfigurationUpdate): boolean {
  if (a.stale !== b.stale || a.items.size !== b.items.size) return false;
  return [...a.items].every(([key, item]) => b.items.get(key)?.version === item.version);
}
