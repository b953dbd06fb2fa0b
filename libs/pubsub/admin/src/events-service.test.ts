import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { EventsService } from "@weft/contracts/events";
import { silentLog, systemClock, WeftError } from "@weft/kit";
import { within } from "@weft/kit/testing";
import type { Delivery, KeyedEvent, PubSub } from "@weft/pubsub";
import { openEmbeddedPubSub } from "@weft/pubsub-embedded";
import { type Client, createClient, openServer, openTransport } from "@weft/rpc";
import { afterEach, beforeEach, expect, test } from "vitest";
import { eventsService } from "./events-service.ts";

const topic = "weft.thing.v1";
const group = "readers";
const limitMs = 10_000;

let stack: AsyncDisposableStack;
let pubsub: PubSub;
let anybody: Client<typeof EventsService>;
const admin = { authorization: "admin" };

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  const dataDir = await mkdtemp(join(tmpdir(), "weft-pubsub-admin-"));
  stack.defer(() => rm(dataDir, { recursive: true, force: true }));
  pubsub = stack.use(await openEmbeddedPubSub({ dataDir }));
  // Stands for verified tokens: the token is the role.
  const tokens = {
    verify: (role: string | undefined) => (role === undefined ? undefined : { subject: role, roles: [role] }),
  };
  const services = [eventsService({ pubsub, log: silentLog })];
  const server = stack.use(await openServer({ host: "127.0.0.1", port: 0, services, tokens }));
  anybody = createClient(EventsService, stack.use(openTransport({ address: server.address })));
});
afterEach(() => stack.disposeAsync());

function event(key: string, version: number, type = "test.Changed"): KeyedEvent {
  return {
    key,
    event: {
      id: `${key}-${version}`,
      source: "/test",
      type,
      subject: key,
      time: 1_700_000_000_000,
      dataContentType: "text/plain",
      data: Buffer.from(`${key} ${version}`),
      extensions: { aggregateversion: String(version), traceparent: "00-1-2-01" },
    },
  };
}

/** A group that keeps what it is given, and refuses the keys of `poison`. */
async function subscribe(name = group, poison = new Set<string>()) {
  const deliveries: Delivery[] = [];
  const handle = async (delivery: Delivery): Promise<void> => {
    if (poison.has(delivery.key)) throw new WeftError("FAILED_PRECONDITION", `no ${delivery.key} today`);
    deliveries.push(delivery);
  };
  const failure = { immediateAttempts: 2, retryDelaysMs: [] };
  stack.use(await pubsub.subscribe({ group: name, topics: [topic], handle, failure }));
  return { ids: () => deliveries.map((delivery) => delivery.event.id).sort(), poison };
}

async function tail(request: Parameters<typeof anybody.tail>[0]): Promise<string[]> {
  const found = await Array.fromAsync(anybody.tail(request, admin));
  return found.map((response) => response.event?.id ?? "").sort();
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  await within(limitMs, what, holds);
}

function reasonsOf(calls: readonly Promise<unknown>[]): Promise<readonly string[]> {
  const reasonOf = (error: { readonly reason: string }): string => error.reason;
  return Promise.all(calls.map((call) => call.then(() => "fine", reasonOf)));
}

const deadCount = async (): Promise<bigint | undefined> =>
  (await anybody.getLag({ group }, admin)).groups.find((one) => one.topic === topic)?.dead;

test("all of it is an administrator's", async () => {
  await pubsub.publish(topic, [event("a", 1)]);
  const calls = (options: { readonly authorization: string } | undefined): readonly Promise<unknown>[] => [
    anybody.listTopics({}, options),
    Array.fromAsync(anybody.tail({ topic }, options)),
    anybody.getLag({}, options),
    anybody.listDeadLetters({}, options),
    anybody.redrive({ topic, group }, options),
    anybody.replay({ topic, group, from: timestampFromMs(0) }, options),
  ];
  expect(await reasonsOf(calls(undefined))).toEqual(Array.from({ length: 6 }, () => "UNAUTHENTICATED"));
  expect(await reasonsOf(calls({ authorization: "user" }))).toEqual(
    Array.from({ length: 6 }, () => "PERMISSION_DENIED"),
  );
});

test("topics, with who reads them", async () => {
  expect((await anybody.listTopics({}, admin)).topics).toEqual([]);
  await pubsub.ensureTopic(topic, { partitions: 3 });
  await subscribe("b");
  await subscribe("a");
  const { topics } = await anybody.listTopics({}, admin);
  expect(topics).toMatchObject([{ topic, partitions: 3, groups: ["a", "b"] }]);
});

test("the tail of a topic is what is kept, as it was sent and where it stands", async () => {
  await pubsub.ensureTopic(topic, { partitions: 1 });
  const before = systemClock.now();
  await pubsub.publish(topic, [event("a", 1), event("b", 1)]);
  const [first, second] = await Array.fromAsync(anybody.tail({ topic }, admin));
  expect(first?.event).toMatchObject({
    ...{ id: "a-1", source: "/test", type: "test.Changed", subject: "a", key: "a", topic, partition: 0, offset: 0n },
    ...{ version: 1n, traceparent: "00-1-2-01", dataContentType: "text/plain" },
    time: timestampFromMs(1_700_000_000_000),
  });
  expect(Buffer.from(first?.event?.data ?? []).toString()).toBe("a 1");
  const publishTime = first?.event?.publishTime;
  expect(publishTime && timestampMs(publishTime)).toBeGreaterThanOrEqual(before);
  expect(second?.event).toMatchObject({ id: "b-1", offset: 1n });
});

test("a tail is narrowed down by time, key and type", async () => {
  await pubsub.publish(topic, [event("a", 1), event("b", 1, "test.Other")]);
  expect(await tail({ topic, key: "b" })).toEqual(["b-1"]);
  expect(await tail({ topic, type: "test.Changed" })).toEqual(["a-1"]);
  expect(await tail({ topic, type: "test.Changed", key: "b" })).toEqual([]);
  expect(await tail({ topic, from: timestampFromMs(0) })).toEqual(["a-1", "b-1"]);
  expect(await tail({ topic, from: timestampFromMs(systemClock.now() + 60_000) })).toEqual([]);
});

test("a tail that follows goes on as events come, until the caller goes away", async () => {
  await pubsub.publish(topic, [event("a", 1)]);
  const gone = new AbortController();
  const seen: string[] = [];
  const request = { topic, follow: true, from: timestampFromMs(0) };
  const following = (async () => {
    for await (const { event: one } of anybody.tail(request, { ...admin, signal: gone.signal }))
      seen.push(one?.id ?? "");
  })();
  await until("what is there already", () => seen.length === 1);
  await pubsub.publish(topic, [event("a", 2)]);
  await until("what comes next", () => seen.length === 2);
  expect(seen).toEqual(["a-1", "a-2"]);
  gone.abort();
  await expect(following).rejects.toMatchObject({ code: "CANCELLED" });
});

test("what is not there is NOT_FOUND, with what is", async () => {
  await pubsub.ensureTopic(topic);
  await subscribe();
  const reasons = { reason: "NOT_FOUND" };
  await expect(tail({ topic: "nothing" })).rejects.toMatchObject(reasons);
  const unknown = anybody.listDeadLetters({ topic: "nothing" }, admin);
  await expect(unknown).rejects.toMatchObject({ ...reasons, message: `there is no topic nothing; there is ${topic}` });
  const redrive = anybody.redrive({ topic, group: "nobody" }, admin);
  await expect(redrive).rejects.toMatchObject({
    ...reasons,
    message: `there is no group nobody of ${topic}; there is ${group}`,
  });
  await expect(anybody.getLag({ group: "nobody" }, admin)).rejects.toMatchObject(reasons);
  const from = timestampFromMs(0);
  const replay = anybody.replay({ topic, group: "nobody", from }, admin);
  await expect(replay).rejects.toMatchObject({ ...reasons, message: expect.stringContaining(`there is ${group}`) });
});

test("what makes no sense is INVALID_ARGUMENT", async () => {
  await pubsub.ensureTopic(topic);
  await subscribe();
  const from = timestampFromMs(2000);
  const calls = [
    tail({ topic: "" }),
    anybody.listDeadLetters({ limit: -1 }, admin),
    anybody.redrive({ topic }, admin),
    anybody.replay({ topic, group }, admin),
    anybody.replay({ topic, group, from, to: from }, admin),
  ];
  expect(await reasonsOf(calls)).toEqual(calls.map(() => "INVALID_ARGUMENT"));
});

test("the lag of a group is what it has not come to, by topic and partition", async () => {
  await pubsub.ensureTopic(topic, { partitions: 1 });
  const { ids } = await subscribe();
  const other = "weft.other.v1";
  await pubsub.publish(other, [event("a", 1)]);
  await pubsub.publish(topic, [event("a", 1), event("a", 2)]);
  await until("both are handled", async () => (await anybody.getLag({ group }, admin)).groups[0]?.lag === 0n);
  expect(ids()).toEqual(["a-1", "a-2"]);
  const { groups } = await anybody.getLag({}, admin);
  expect(groups).toMatchObject([
    { group, topic, lag: 0n, waiting: 0n, dead: 0n, partitions: [{ partition: 0, committed: 2n, end: 2n }] },
  ]);
});

test("dead letters are listed with why, narrowed down, and delivered again once they can be handled", async () => {
  const { ids, poison } = await subscribe(group, new Set(["a", "b"]));
  await pubsub.publish(topic, [event("a", 1), event("b", 1), event("c", 1)]);
  await until("both are given up", async () => (await deadCount()) === 2n);
  const { deadLetters, more } = await anybody.listDeadLetters({ key: "a" }, admin);
  expect(more).toBe(false);
  expect(deadLetters).toMatchObject([
    { group, reason: "FAILED_PRECONDITION", detail: "no a today", attempts: 2, event: { id: "a-1", topic, key: "a" } },
  ]);
  expect(deadLetters[0]?.failTime).toBeDefined();
  expect(deadLetters[0]?.event?.traceparent).toBe("00-1-2-01");
  expect((await anybody.listDeadLetters({ reason: "INTERNAL" }, admin)).deadLetters).toEqual([]);
  expect(await anybody.listDeadLetters({ limit: 1 }, admin)).toMatchObject({ deadLetters: [{}], more: true });

  poison.clear();
  expect(await anybody.redrive({ topic, group, reason: "INTERNAL" }, admin)).toMatchObject({ redriven: 0 });
  expect(await anybody.redrive({ topic, group, eventId: "a-1" }, admin)).toMatchObject({ redriven: 1 });
  expect(await anybody.redrive({ topic, group, key: "b" }, admin)).toMatchObject({ redriven: 1 });
  await until("all are handled", () => ids().length === 3);
  expect(ids()).toEqual(["a-1", "b-1", "c-1"]);
  expect(await deadCount()).toBe(0n);
});

test("an answer holds as many dead letters as a message takes", async () => {
  const big = { ...event("a", 1).event, data: new Uint8Array(900_000) };
  await subscribe(group, new Set(["a"]));
  const events = Array.from({ length: 5 }, (_, n) => ({ key: "a", event: { ...big, id: `big-${n}` } }));
  for (const one of events) await pubsub.publish(topic, [one]);
  await until("all are given up", async () => (await deadCount()) === 5n);
  const { deadLetters, more } = await anybody.listDeadLetters({}, admin);
  expect([deadLetters.length, more]).toEqual([3, true]);
});

test("a replay goes to one group, narrowed down by time, key and event", async () => {
  const [readers, others] = [await subscribe(), await subscribe("others")];
  await pubsub.publish(topic, [event("a", 1), event("a", 2), event("b", 1)]);
  await until("everybody has them", () => readers.ids().length === 3 && others.ids().length === 3);
  const from = timestampFromMs(0);
  const replay = (more: object) => anybody.replay({ topic, group, from, ...more }, admin);
  expect(await replay({ to: timestampFromMs(1000) })).toMatchObject({ replayed: 0 });
  expect(await replay({ from: timestampFromMs(systemClock.now() + 60_000) })).toMatchObject({ replayed: 0 });
  expect(await replay({ key: "b" })).toMatchObject({ replayed: 1 });
  expect(await replay({ eventId: "a-2" })).toMatchObject({ replayed: 1 });
  expect(await replay({})).toMatchObject({ replayed: 3 });
  await until("they came again", () => readers.ids().length === 8);
  expect(readers.ids()).toEqual(["a-1", "a-1", "a-2", "a-2", "a-2", "b-1", "b-1", "b-1"]);
  expect(others.ids()).toHaveLength(3);
});
