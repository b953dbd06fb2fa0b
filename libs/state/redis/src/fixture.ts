import { setTimeout as sleep } from "node:timers/promises";
import { openRedis, redisScript } from "@weft/redis";
import { ownNamespace } from "@weft/redis/testing";
import type { StateFixture } from "@weft/state/conformance";
import { openRedisState } from "./state.ts";

/** A store of its own on a server, and time that passes by itself. */
export async function openFixture(server: string): Promise<StateFixture> {
  const url = ownNamespace(server);
  const handles = new AsyncDisposableStack();
  return {
    open: async () => handles.use(await openRedisState({ url, name: "test" })),
    // Nothing is held back in memory, so closing is all that a kill does.
    kill: async (store) => store[Symbol.asyncDispose](),
    pass: (ms) => sleep(ms),
    [Symbol.asyncDispose]: () => handles.disposeAsync(),
  };
}

/** The same, where time passes by bringing every expiry nearer. */
export async function openFixtureOutOfTime(server: string): Promise<StateFixture> {
  const url = ownNamespace(server);
  const redis = await openRedis({ url });
  const handles = new AsyncDisposableStack();
  handles.use(redis);
  return {
    open: async () => handles.use(await openRedisState({ url, name: "test" })),
    kill: async (store) => store[Symbol.asyncDispose](),
    pass: async (ms) => void (await redis.run(passScript, [`{${redis.namespace}:state:test}/`], [String(ms)])),
    [Symbol.asyncDispose]: () => handles.disposeAsync(),
  };
}

const passScript = redisScript(`
for _, key in ipairs(redis.call('KEYS', KEYS[1] .. '*')) do
  local left = redis.call('PTTL', key)
  if left >= 0 then redis.call('PEXPIRE', key, left - ARGV[1]) end
end
`);
