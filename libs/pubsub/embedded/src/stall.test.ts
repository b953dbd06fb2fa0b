import { ManualClock } from "@weft/kit";
import { within } from "@weft/kit/testing";
import { expect, test } from "vitest";
import { openFixture } from "./fixture.ts";

const options = { group: "g", topics: ["t"], sessionTimeoutMs: 1000 };

test(
  "a member that stalled beyond its session commits nothing, and comes back as a new one",
  { timeout: 20_000 },
  async () => {
    await using fixture = await openFixture();
    // Time stands still for one of the two, as for a process that is stopped.
    const clock = new ManualClock(Date.now());
    const [stalled, other] = [await fixture.open({ clock }), await fixture.open()];
    await stalled.ensureTopic("t", { partitions: 1 });
    const event = (n: number) => ({
      key: "k",
      event: {
        id: String(n),
        source: "/s",
        type: "T",
        time: 0,
        dataContentType: "text/plain",
        data: new Uint8Array(1),
        extensions: {},
      },
    });

    const byStalled: string[] = [];
    const goOn = Promise.withResolvers<void>();
    await stalled.subscribe({
      ...options,
      handle: async (delivery) => {
        byStalled.push(delivery.event.id);
        await goOn.promise;
      },
    });
    await other.publish("t", [event(1), event(2)]);
    await within(15_000, "the first delivery", () => byStalled.length === 1);
    const byOther: string[] = [];
    const second = await other.subscribe({ ...options, handle: async ({ event: { id } }) => void byOther.push(id) });
    await within(15_000, "the takeover", () => byOther.length === 2);
    expect(byOther).toEqual(["1", "2"]);

    // The old delivery ends only now: its acknowledgement must not count, and it reads no further.
    goOn.resolve();
    await within(15_000, "the lane is given up", async () => {
      await clock.advance(Math.max(0, Date.now() - clock.now()));
      return (await other.lag("g")).every(({ committed, end }) => committed === end);
    });
    expect(byStalled).toEqual(["1"]);

    await second[Symbol.asyncDispose]();
    await other.publish("t", [event(3)]);
    await within(15_000, "the stalled one works again", async () => {
      await clock.advance(Math.max(0, Date.now() - clock.now()));
      return byStalled.length === 2;
    });
    expect(byStalled).toEqual(["1", "3"]);
  },
);
