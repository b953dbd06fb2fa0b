import { describeBackend } from "@weft/native/testing";
import { openRedis } from "@weft/redis";
import { ownNamespace } from "@weft/redis/testing";
import { expect, test } from "vitest";
import { openRedisState } from "./state.ts";

const value = Buffer.from("x");

describeBackend("redis", (server) => {
  test("keys of entries that expired leave the index as others come, and where a range meets them", async () => {
    const url = ownNamespace(server().url);
    await using redis = await openRedis({ url });
    await using store = await openRedisState({ url, name: "test" });
    const indexed = (): Promise<unknown> => redis.call("zcard", [`{${redis.namespace}:state:test}:index`]);
    const write = (name: string, ttlMs: number): Promise<unknown> =>
      Promise.all(Array.from({ length: 1000 }, (_, n) => store.set(`${name}/${n}`, value, { ttlMs })));

    await write("short", 1);
    await write("long", 60_000);
    // Of 1,000 dead keys each of 1,000 writes met two in about two thousand.
    expect(await indexed()).toBeLessThan(1700);
    expect(await store.range({ prefix: "", limit: 1000 })).toHaveLength(1000);
    expect(await store.range({ prefix: "short", limit: 1000 })).toEqual([]);
    expect(await indexed()).toBe(1000);
  });

  test("a range over very many entries that expired takes few rounds", async () => {
    const url = ownNamespace(server().url);
    await using redis = await openRedis({ url });
    await using store = await openRedisState({ url, name: "test" });
    const keys = Array.from({ length: 6000 }, (_, n) => `k/${n}`);
    // Behind their backs: nothing is dropped while they live.
    const tag = `{${redis.namespace}:state:test}`;
    await redis.call("zadd", [`${tag}:index`, ...keys.flatMap((key) => ["0", key])]);
    await store.set("k/last", value);
    const rounds = async (): Promise<number> =>
      Number(/cmdstat_zrangebylex:calls=(\d+)/.exec(String(await redis.call("info", ["commandstats"])))?.[1] ?? 0);
    const before = await rounds();
    expect((await store.range({ prefix: "k/", limit: 1 })).map(({ key }) => key)).toEqual(["k/last"]);
    expect((await rounds()) - before).toBeLessThan(15);
  });

  test("a range of large values comes in several answers, whole and in order", async () => {
    await using store = await openRedisState({ url: ownNamespace(server().url), name: "test" });
    const large = Buffer.alloc(6 * 1024 * 1024, "x");
    const keys = ["a", "b", "c", "d", "e", "f"];
    for (const key of keys) await store.set(key, large);
    for (const reverse of [false, true]) {
      const found = await store.range({ prefix: "", limit: 1000, reverse });
      expect(found.map((entry) => entry.key)).toEqual(reverse ? keys.toReversed() : keys);
      expect(found.every((entry) => entry.value.byteLength === large.byteLength)).toBe(true);
    }
  });
});
