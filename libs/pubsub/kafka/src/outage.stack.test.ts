import { setTimeout as delay } from "node:timers/promises";
import { Secret, WeftError } from "@weft/kit";
import { Stopwatch, within } from "@weft/kit/testing";
import { describeBackend } from "@weft/native/testing";
import type { KeyedEvent } from "@weft/pubsub";
import { expect, test } from "vitest";
import { freshUrl } from "./fixture.ts";
import { openKafkaPubSub } from "./index.ts";

const outageMs = 8000;
const keys = Array.from({ length: 12 }, (_, index) => `key-${index}`);

function event(key: string, n: number): KeyedEvent {
  return {
    key,
    event: {
      id: `${key}/${n}`,
      source: "/test",
      type: "T",
      time: Date.now(),
      dataContentType: "text/plain",
      data: Buffer.from(String(n)),
      extensions: {},
    },
  };
}

// A broker as it comes, with the shortest session that it takes above the port's default.
describeBackend("kafka", (server) => {
  test("a broker that is away for a while costs no event and no order, and is made up for in seconds", async () => {
    const url = new Secret(freshUrl(server().url));
    await using publisher = await openKafkaPubSub({ url });
    await using subscriber = await openKafkaPubSub({ url });
    using clock = new Stopwatch();
    const publishedAt = new Map<string, number>();
    const delivered: { readonly id: string; readonly key: string; readonly n: number; readonly latencyMs: number }[] =
      [];
    await using _ = await subscriber.subscribe({
      group: "g",
      topics: ["t"],
      handle: async ({ key, event: { id, data } }) => {
        const latencyMs = clock.ms - (publishedAt.get(id) ?? 0);
        delivered.push({ id, key, n: Number(Buffer.from(data).toString()), latencyMs });
      },
    });

    let publishing = true;
    const accepted: string[] = [];
    const publish = async (key: string): Promise<void> => {
      for (let n = 1; publishing; n += 1) {
        for (;;) {
          const next = event(key, n);
          publishedAt.set(next.event.id, clock.ms);
          try {
            await publisher.publish("t", [next]);
            accepted.push(next.event.id);
            break;
          } catch (error) {
            // A relay does the same.
            if (!(error instanceof WeftError && error.retryable)) throw error;
            // A closed handle refuses at once, for ever: whatever ends the test ends this too.
            if (!publishing) return;
            await delay(20);
          }
        }
        await delay(20);
      }
    };
    const running = Promise.all(keys.map(publish));
    using _stop = { [Symbol.dispose]: () => void (publishing = false) };
    await within(30_000, "deliveries", () => delivered.length > 500);
    await server().kill();
    await delay(outageMs);
    await server().start();
    const back = clock.ms;
    const before = delivered.length;
    await within(10_000, "deliveries again", () => delivered.length > before + 100);
    const backAfterMs = clock.ms - back;
    await delay(2000);
    const late = delivered.length;
    await delay(2000);
    publishing = false;
    await running;
    const handled = (): Set<string> => new Set(delivered.map(({ id }) => id));
    await within(10_000, "every accepted event", () => accepted.every((id) => handled().has(id)));

    expect(backAfterMs).toBeLessThan(8000);
    const latencies = delivered.slice(late).map(({ latencyMs }) => latencyMs);
    expect(Math.max(...latencies)).toBeLessThan(1000);
    for (const key of keys) {
      const order: number[] = [];
      for (const { n } of delivered.filter((delivery) => delivery.key === key)) if (!order.includes(n)) order.push(n);
      expect(order).toEqual(order.toSorted((a, b) => a - b));
    }
  }, 120_000);
});
