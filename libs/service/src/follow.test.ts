import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Blocks, blockUrlDefaults, openPubSub } from "@weft/blocks";
import { WeftError } from "@weft/kit";
import { within } from "@weft/kit/testing";
import type { KeyedEvent } from "@weft/pubsub";
import { createLogger } from "@weft/telemetry";
import { follow } from "./follow.ts";

const topic = { name: "weft.test.v1", partitions: 2 };
const traceId = "0af7651916cd43dd8448eb211c80319c";

function event(id: string): KeyedEvent {
  const extensions = { traceparent: `00-${traceId}-b7ad6b7169203331-01` };
  const attributes = {
    id,
    source: "/test",
    type: "test.Happened",
    subject: "s",
    time: 0,
    dataContentType: "text/plain",
  };
  return { key: "k", event: { ...attributes, data: new Uint8Array(), extensions } };
}

test("events are handled until the signal aborts, each a line in the trace of its cause", async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "weft-follow-"));
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rm(dataDir, { recursive: true }));
  const pubsub = await openPubSub(new Blocks({ dataDir, urls: blockUrlDefaults("embedded"), stack }));
  const lines: Record<string, unknown>[] = [];
  const write = (line: string): void => void lines.push(JSON.parse(line) as Record<string, unknown>);
  const log = createLogger({ service: "s", instance: "i", level: "debug", destination: { write } });
  const handled: string[] = [];
  let failures = 2;
  const handle = async ({ id }: { readonly id: string }): Promise<void> => {
    if (id === "two" && failures-- > 0) throw new WeftError("UNAVAILABLE", "not now");
    handled.push(id);
  };
  const stop = new AbortController();
  const following = follow({ pubsub, topic, group: "g", handle, log }, stop.signal);
  await pubsub.publish(topic.name, [event("one"), event("two")]);
  await within(15_000, "both are handled", () => handled.length === 2);
  await within(15_000, "the last is logged", () => lines.length === 4);
  stop.abort();
  await following;
  await pubsub.publish(topic.name, [event("three")]);

  expect(handled).toEqual(["one", "two"]);
  const spanId = expect.stringMatching(/^[0-9a-f]{16}$/);
  const traced = { trace_id: traceId, span_id: spanId, group: "g", topic: topic.name, subject: "s" };
  expect(lines).toMatchObject([
    { ...traced, level: "debug", msg: "event", event: "one", attempt: 1 },
    { ...traced, level: "warn", msg: "an event was not handled", event: "two", reason: "UNAVAILABLE" },
    { level: "info", msg: "events are handled again", topic: topic.name, group: "g" },
    { ...traced, level: "debug", msg: "event", event: "two" },
  ]);
  expect(new Set(lines.flatMap((line) => line["span_id"] ?? [])).size).toBe(3);
  expect(lines.map((line) => line["span_id"])).not.toContain("b7ad6b7169203331");
});
