import { Secret, silentLog } from "@weft/kit";
import { openProxy, Stopwatch } from "@weft/kit/testing";
import { freePort } from "@weft/native";
import { describeBackend } from "@weft/native/testing";
import { describe, expect, test } from "vitest";
import { openRedis, redisScript } from "./index.ts";

describeBackend(
  "redis",
  (server) => {
    describe("a connection to Redis", () => {
      test("a server that is not there is UNAVAILABLE after a time, a wrong password INVALID_CONFIGURATION at once", async () => {
        const nobody = new Secret(`redis://127.0.0.1:${await freePort()}`);
        await expect(openRedis({ url: nobody, openTimeoutMs: 300 })).rejects.toMatchObject({ reason: "UNAVAILABLE" });
        const url = new Secret(`redis://nobody:wrong@127.0.0.1:${server().port}`);
        using passed = new Stopwatch();
        await expect(openRedis({ url })).rejects.toMatchObject({ reason: "INVALID_CONFIGURATION" });
        expect(passed.ms).toBeLessThan(5000);
      });

      test("a connection that is lost for a moment costs no call that comes after it", async () => {
        await using proxy = await openProxy(server().port);
        await using redis = await openRedis({ url: new Secret(`redis://127.0.0.1:${proxy.port}`) });
        for (let n = 0; n < 5; n += 1) {
          await redis.call("set", ["moment", String(n)]);
          const underWay = redis.call("debug", ["sleep", "0.05"]).catch(() => undefined);
          await proxy.reset();
          await underWay;
          expect(String(await redis.call("get", ["moment"]))).toBe(String(n));
        }
      });

      test("a half-open connection is given up and replaced, without a word from TCP", async () => {
        await using proxy = await openProxy(server().port);
        const url = new Secret(`redis://127.0.0.1:${proxy.port}`);
        await using redis = await openRedis({ url, timeoutMs: 300, graceMs: 100 });
        await proxy.stall();
        await expect(redis.call("ping", [])).rejects.toMatchObject({ reason: "DEADLINE_EXCEEDED" });
        // New connections are half-open as well, and none of them is waited for.
        const startMs = performance.now();
        while (performance.now() - startMs < 1500) {
          await expect(redis.call("ping", [])).rejects.toMatchObject({
            code: expect.stringMatching(/^(UNAV|DEAD)/) as string,
          });
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
        await proxy.restore();
        const isBack = async (): Promise<void> => expect(String(await redis.call("ping", []))).toBe("PONG");
        await expect
          .poll(
            () =>
              isBack().then(
                () => true,
                () => false,
              ),
            { timeout: 5000 },
          )
          .toBe(true);
      });

      test("what a loss is logged with is its own error, not that of one before", async () => {
        await using proxy = await openProxy(server().port);
        await proxy.cut();
        const losses: unknown[] = [];
        const warn = (fields: object): void => void losses.push("err" in fields ? fields.err : undefined);
        const url = new Secret(`redis://127.0.0.1:${proxy.port}`);
        const opening = openRedis({ url, log: { ...silentLog, warn } });
        await new Promise((resolve) => setTimeout(resolve, 300));
        await proxy.restore();
        await using redis = await opening;
        // A server that hangs up is no error to the client.
        await using other = await openRedis({ url: new Secret(server().url) });
        await other.call("client", ["kill", "type", "normal"]);
        await expect.poll(() => losses.length).toBe(1);
        expect(losses).toEqual([undefined]);
        expect(String(await redis.call("ping", []))).toBe("PONG");
      });

      test("closing behind a dead connection ends soon, and so does what is under way", async () => {
        await using proxy = await openProxy(server().port);
        const redis = await openRedis({ url: new Secret(`redis://127.0.0.1:${proxy.port}`), timeoutMs: 60_000 });
        await proxy.stall();
        const underWay = redis.call("ping", []).catch((error: unknown) => error);
        using passed = new Stopwatch();
        await redis[Symbol.asyncDispose]();
        expect(passed.ms).toBeLessThan(3000);
        expect(await underWay).toMatchObject({ reason: "UNAVAILABLE" });
        expect(passed.ms).toBeLessThan(5000);
      });

      test("a script is sent again to a server that forgot it", async () => {
        await using redis = await openRedis({ url: new Secret(server().url) });
        const script = redisScript("return ARGV[1]");
        for (let n = 0; n < 2; n += 1) {
          await redis.call("script", ["flush"]);
          expect(String(await redis.run(script, ["k"], ["said"]))).toBe("said");
        }
      });

      test("what leaves together arrives as it is, text and bytes, each answer at its own call", async () => {
        await using redis = await openRedis({ url: new Secret(server().url) });
        const texts = ["", "plain", "äöü €", "😀".repeat(5000), "\r\n$3\r\n"];
        const args = [...texts, ...texts.map((text) => Buffer.from(text)), Buffer.from([0, 255, 13, 10])];
        const echoes = Array.from({ length: 50 }, (_, n) => {
          const arg = args[n % args.length] ?? "";
          return redis.call("echo", [arg]).then((reply) => expect(reply).toEqual(Buffer.from(arg)));
        });
        const lists = args.map(async (arg, n) => {
          await redis.call("rpush", [`ä${n}`, "€", arg, Buffer.from("x"), arg, "end"]);
          const all = ["€", arg, "x", arg, "end"].map((text) => Buffer.from(text));
          expect(await redis.call("lrange", [`ä${n}`, "0", "-1"])).toEqual(all);
        });
        const wrong = redis.call("get", ["ä0"]);
        await Promise.all([...echoes, ...lists, expect(wrong).rejects.toMatchObject({ reason: "DATA_LOSS" })]);
      });

      test("what is under way when the client is closed is still answered", async () => {
        const redis = await openRedis({ url: new Secret(server().url) });
        const underWay = redis.call("debug", ["sleep", "0.3"]);
        await redis[Symbol.asyncDispose]();
        expect(String(await underWay)).toBe("OK");
      });

      test("a closed client refuses calls", async () => {
        const redis = await openRedis({ url: new Secret(server().url) });
        await redis[Symbol.asyncDispose]();
        await redis[Symbol.asyncDispose]();
        await expect(redis.call("ping", [])).rejects.toMatchObject({ reason: "UNAVAILABLE" });
      });
    });
  },
  { settings: { "enable-debug-command": "yes" } },
);
