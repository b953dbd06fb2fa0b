import { setTimeout as delay } from "node:timers/promises";
import { newUuid } from "@weft/kit";
import type { Law } from "@weft/kit/testing";
import { expect } from "vitest";
import type { PubSub } from "../pubsub.ts";
import type { PubSubFixture } from "./fixture.ts";
import { collect, event, until } from "./tools.ts";

const rounds = 15;
const maxMembers = 3;
const keys = ["a", "b", "c", "d", "e", "f"];

/** P1, P2, P3 and P4 together, through whatever happens to members. */
export const crashLaws: readonly Law<PubSubFixture>[] = [
  {
    title: "P2 members that come, leave and die in the middle of their work lose nothing, and keep the order of keys",
    async run(fixture) {
      const seed = Number.parseInt(newUuid().slice(-6), 16);
      const random = numbers(seed);
      const publisher = await fixture.open();
      await publisher.ensureTopic("t", { partitions: 3 });
      const handled: string[] = [];
      const members: { readonly pubsub: PubSub; readonly leave: () => Promise<void> }[] = [];
      const join = async (): Promise<void> => {
        const pubsub = await fixture.open();
        const { subscription } = await collect(pubsub, {
          group: "g",
          topics: ["t"],
          handle: async ({ event: { id } }) => {
            await delay(random(5) === 0 ? 100 : 1);
            handled.push(id);
          },
        });
        members.push({ pubsub, leave: async () => subscription[Symbol.asyncDispose]() });
      };
      const published: string[] = [];
      const leaving: Promise<void>[] = [];
      for (let n = 1; n <= rounds; n += 1) {
        const what = random(4);
        if (what === 0 && members.length < maxMembers) await join();
        const [member] = what === 1 || what === 2 ? members.splice(random(members.length), 1) : [];
        if (what === 1 && member !== undefined) await fixture.kill(member.pubsub);
        if (what === 2 && member !== undefined) leaving.push(member.leave());
        const events = keys.map((key) => event(key, n));
        await publisher.publish("t", events);
        published.push(...events.map(({ event: { id } }) => id));
        await delay(random(150));
      }
      await join();
      const lost = (): string[] => published.filter((id) => !handled.includes(id));
      await until(`all events, with the seed ${seed}`, () => lost().length === 0, 15_000);
      await Promise.all(leaving);
      for (const key of keys) {
        const mine = published.filter((id) => id.startsWith(`${key}-`));
        const order = [...new Set(handled)].filter((id) => id.startsWith(`${key}-`));
        expect(order, `with the seed ${seed}`).toEqual(mine);
      }
    },
  },
];

/** Numbers below a bound that look random and are the same for the same seed: mulberry32. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % Math.max(1, below);
  };
}
