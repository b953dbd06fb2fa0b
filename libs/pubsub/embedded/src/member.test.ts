import { WeftError } from "@weft/kit";
import { within } from "@weft/kit/testing";
import { expect, test, vi } from "vitest";
import { openFixture } from "./fixture.ts";
import { Group } from "./group.ts";

test("a lane that could not be given back at once is given back later", { timeout: 30_000 }, async () => {
  await using fixture = await openFixture();
  const release = vi.spyOn(Group.prototype, "release").mockImplementationOnce(() => {
    throw new WeftError("RESOURCE_EXHAUSTED", "the disk is full");
  });
  const [one, two] = [await fixture.open(), await fixture.open()];
  await one.ensureTopic("t", { partitions: 2 });
  const handled: string[] = [];
  const options = {
    group: "g",
    topics: ["t"],
    handle: async ({ event: { id } }: { event: { id: string } }) => void handled.push(id),
  };
  const attributes = { source: "/s", type: "T", time: 0, dataContentType: "text/plain", data: new Uint8Array(1) };
  const events = Array.from({ length: 20 }, (_, n) => ({
    key: String(n),
    event: { id: String(n), ...attributes, extensions: {} },
  }));
  await one.subscribe(options);
  await one.publish("t", events);
  await within(10_000, "all events", () => handled.length === events.length);
  await two.subscribe(options);
  await within(10_000, "the refusal", () => release.mock.calls.length > 0);
  await one.publish("t", events);
  await within(10_000, "all events again", () => handled.length === 2 * events.length);
  expect(release).toHaveBeenCalled();
});
