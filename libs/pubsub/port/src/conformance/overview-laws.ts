import { WeftError } from "@weft/kit";
import type { Law } from "@weft/kit/testing";
import { expect } from "vitest";
import type { PubSubFixture } from "./fixture.ts";
import { collect, event, events, until } from "./tools.ts";

/** P12: what is there. */
export const overviewLaws: readonly Law<PubSubFixture>[] = [
  {
    title: "P12 topics are listed by name with their partitions and groups, those for failures left out",
    async run(fixture) {
      const pubsub = await fixture.open();
      expect(await pubsub.topics()).toEqual([]);
      await pubsub.ensureTopic("weft.b.v1", { partitions: 3 });
      await pubsub.ensureTopic("weft.a.v1", { partitions: 1 });
      await pubsub.publish("c", [event("a", 1)]);
      const handle = async (): Promise<void> => {
        throw new WeftError("INTERNAL", "no");
      };
      const failure = { immediateAttempts: 1, retryDelaysMs: [] };
      await collect(pubsub, { group: "second", topics: ["weft.b.v1", "c"], failure, handle });
      const gone = await collect(pubsub, { group: "first", topics: ["c"] });
      await until("a dead letter", async () => (await pubsub.deadLetters({ topic: "c", group: "second" })).length > 0);
      await until("the delivery", () => gone.ids().length > 0);
      await gone.subscription[Symbol.asyncDispose]();
      expect(await (await fixture.open()).topics()).toEqual([
        { topic: "c", partitions: 8, groups: ["first", "second"] },
        { topic: "weft.a.v1", partitions: 1, groups: [] },
        { topic: "weft.b.v1", partitions: 3, groups: ["second"] },
      ]);
    },
  },
  {
    title: "P12 what stands beside the partitions is counted by topic",
    async run(fixture) {
      const pubsub = await fixture.open();
      let broken = true;
      const handle = async (): Promise<void> => {
        if (broken) throw new Error("no");
      };
      const group = (name: string, retryDelaysMs: number[]) =>
        collect(pubsub, { group: name, topics: ["t", "u"], failure: { immediateAttempts: 1, retryDelaysMs }, handle });
      await group("waits", [60_000]);
      const { ids } = await group("gives-up", []);
      await pubsub.publish("t", events("a", 1, 3));
      await until("the counts", async () => {
        const [waits] = await pubsub.parked("waits");
        const [givesUp] = await pubsub.parked("gives-up");
        return waits?.waiting === 3 && givesUp?.dead === 3 && givesUp.waiting === 0;
      });
      expect(await pubsub.parked("waits")).toEqual([
        { topic: "t", waiting: 3, dead: 0 },
        { topic: "u", waiting: 0, dead: 0 },
      ]);
      broken = false;
      expect(await pubsub.redrive({ topic: "t", group: "gives-up", eventId: "a-2" })).toBe(1);
      await until("the redriven one", () => ids().length === 1);
      await until("the counts", async () => (await pubsub.parked("gives-up"))[0]?.waiting === 0);
      expect((await pubsub.parked("gives-up"))[0]).toEqual({ topic: "t", waiting: 0, dead: 2 });
      expect(await pubsub.parked("nobody")).toEqual([]);
    },
  },
];
