import { createHash } from "node:crypto";

/** A Lua script, which the server runs as a whole with nothing in between. Needs Redis 6.2 or later. */
export interface RedisScript {
  readonly lua: string;
  /** Its name on the server: the hex SHA-1 of the text. */
  readonly sha: string;
}

/** A script to be run by its digest; the server is sent the text when it has not seen it since its start. */
export function redisScript(lua: string): RedisScript {
  return { lua, sha: createHash("sha1").update(lua).digest("hex") };
}
