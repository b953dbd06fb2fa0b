import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { Secret } from "@weft/kit";
import { startServer } from "@weft/native";
import { openRedisState } from "@weft/state-redis";
import { type Benchmark, interleave, type Result } from "./result.ts";

const keys = 10_000;
const valueBytes = 256;
const rounds = 27;
/** Of one figure of one round, in milliseconds: short, so that neighbours meet the same machine. */
const sliceMs = 100;
const callers = [1, 16, 64];
/** Before the first figure, in milliseconds: until the code of both is compiled. */
const warmUpMs = 2000;

type Call = (key: string) => Promise<unknown>;

export const state: Benchmark = {
  name: "state",
  about: `The state block on Redis against bare ioredis (\`getBuffer\`, \`set\`): calls a second of 1, 16 and 64 callers at a time, ${keys.toLocaleString("en")} keys that are there, values of ${valueBytes} bytes. Ours gives and checks etags, has a deadline for each call and keeps an index of the keys.`,
  async run() {
    const dir = await mkdtemp(join(tmpdir(), "weft-bench-"));
    try {
      await using server = await startServer("redis", { dir, settings: { appendonly: "no" } });
      await using store = await openRedisState({ url: new Secret(server.url), name: "bench" });
      const redis = new Redis(server.port, "127.0.0.1");
      const value = Buffer.alloc(valueBytes, "x");
      for (let at = 0; at < keys; at += 1) {
        await Promise.all([store.set(keyOf(at), value), redis.set(keyOf(at), value)]);
      }
      const results: Result[] = [];
      const compare = async (name: string, ours: Call, bare: Call): Promise<void> => {
        for (const call of [ours, bare]) await measure(call, 16, warmUpMs)();
        for (const count of callers) {
          const figures = await interleave(rounds, measure(ours, count), measure(bare, count));
          results.push({ name: `${name}-${count}`, ...figures("rate"), peerName: "ioredis", unit: "calls/s" });
          results.push({
            name: `${name}-${count}-cpu`,
            ...figures("perCpu"),
            peerName: "ioredis",
            unit: "calls/CPU s",
          });
        }
      };
      await compare(
        "state-get",
        (key) => store.get(key),
        (key) => redis.getBuffer(key),
      );
      await compare(
        "state-set",
        (key) => store.set(key, value),
        (key) => redis.set(key, value),
      );
      redis.disconnect();
      return results;
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  },
};

function keyOf(at: number): string {
  return `user/${at}`;
}

/** How many calls so many callers get done, by the clock and by the CPU time of this process. */
function measure(
  call: Call,
  count: number,
  forMs = sliceMs,
): () => Promise<{ readonly rate: number; readonly perCpu: number }> {
  return async () => {
    const cpu = process.cpuUsage();
    const start = performance.now();
    let calls = 0;
    const caller = async (_: unknown, number: number): Promise<void> => {
      for (let at = number * 97; performance.now() - start < forMs; at += 7) {
        await call(keyOf(at % keys));
        calls += 1;
      }
    };
    await Promise.all(Array.from({ length: count }, caller));
    const seconds = (performance.now() - start) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    return { rate: calls / seconds, perCpu: calls / ((user + system) / 1e6) };
  };
}
