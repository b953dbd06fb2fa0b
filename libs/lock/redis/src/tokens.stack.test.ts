import { Secret } from "@weft/kit";
import { describeBackend } from "@weft/native/testing";
import { openRedis } from "@weft/redis";
import { expect, test } from "vitest";
import { openRedisLocks } from "./index.ts";

describeBackend("redis", (server) => {
  test("tokens grow through the loss of all data", async () => {
    const url = new Secret(server().url);
    await using redis = await openRedis({ url });
    await using locks = await openRedisLocks({ url });
    const before = await locks.acquire("job");
    await redis.call("flushall", []);
    const after = await locks.acquire("job");
    expect(after && before && after.token > before.token).toBe(true);
    await before?.release();
    expect(await locks.acquire("job")).toBeUndefined();
  });

  test("tokens grow where the server's clock went back, and nothing of a lock stays behind", async () => {
    const url = new Secret(`${server().url}?namespace=back`);
    await using redis = await openRedis({ url });
    await using locks = await openRedisLocks({ url });
    const ahead = 9_000_000_000_000_000n;
    await redis.call("set", ["{back:lock}:token", String(ahead)]);
    for (let n = 1n; n <= 3n; n += 1n) {
      const lease = await locks.acquire("job");
      expect(lease?.token).toBe(ahead + n);
      await lease?.release();
    }
    expect(String(await redis.call("keys", ["{back:lock}*"]))).toBe("{back:lock}:token");
  });
});
