import { isWeftError } from "@weft/kit";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Account } from "../domain/person.ts";
import { type Fixture, openFixture } from "../testing.ts";
import { type AccountEvent, takeIn } from "./events.ts";
import type { Parts } from "./parts.ts";
import { getPreferences, updatePreferences } from "./preferences.ts";
import { get, list, read } from "./read.ts";
import { send } from "./send.ts";
import { watch } from "./watch.ts";

let fixture: Fixture;
let parts: Parts;
beforeEach(async () => {
  fixture = await openFixture();
  parts = await fixture.replica();
});
afterEach(() => fixture[Symbol.asyncDispose]());

const account = (version: number, more: Partial<Account> = {}): Account => ({
  userId: "u1",
  version,
  name: `Ada ${version}`,
  email: `ada${version}@example.org`,
  locale: "en",
  ...more,
});
const created = { kind: "created", account: account(1) } satisfies AccountEvent;
const updated = { kind: "updated", account: account(2) } satisfies AccountEvent;
const deleted: AccountEvent = { kind: "deleted", userId: "u1", version: 3 };

const inboxOf = async (userId: string) => (await list(parts, { userId, size: 100, pageToken: "" })).notifications;
const message = { caller: "admin", userId: "u1", type: "news", title: "Hello", body: "", requestId: "" };
const [me, other, admin] = [
  { subject: "u1", roles: [] },
  { subject: "u2", roles: [] },
  { subject: "admin", roles: ["admin"] },
];

test("a new person is welcomed once, however often the event comes and through whom", async () => {
  const second = await fixture.replica();
  await Promise.all([takeIn(parts, created), takeIn(second, created), takeIn(parts, created)]);
  await takeIn(second, created);
  expect(await inboxOf("u1")).toMatchObject([{ id: "welcome-u1", type: "welcome", title: "Welcome to Weft, Ada 1" }]);
});

test("events in any order, any of them repeated, end in the same state", { timeout: 30_000 }, async () => {
  const order = fc.shuffledSubarray<AccountEvent>([created, updated, created, updated], { minLength: 4 });
  await fc.assert(
    fc.asyncProperty(order, fc.option(fc.nat(4), { nil: undefined }), async (events, deletedAt) => {
      await using own = await openFixture();
      const replica = await own.replica();
      const all = deletedAt === undefined ? events : events.toSpliced(deletedAt, 0, deleted);
      for (const event of all) await takeIn(replica, event);
      const person = await replica.people.get("u1");
      const found = await replica.inbox.newest("u1", 10);
      if (deletedAt !== undefined) {
        expect(person).toEqual({ state: "deleted", userId: "u1", version: 3 });
        expect(found).toEqual([]);
      } else {
        expect(person).toMatchObject({ version: 2, email: "ada2@example.org", name: "Ada 2" });
        expect(found).toHaveLength(1);
      }
    }),
    { numRuns: 30 },
  );
});

test("a person who is announced again is not welcomed again, and is made where nothing is known of them", async () => {
  await takeIn(parts, created);
  const again: AccountEvent = { kind: "updated", account: account(1) };
  await takeIn(parts, again);
  expect(await inboxOf("u1")).toHaveLength(1);

  const lost: AccountEvent = { kind: "updated", account: account(4, { userId: "u2" }) };
  await takeIn(parts, lost);
  expect(await parts.people.get("u2")).toMatchObject({ version: 4, email: "ada4@example.org", welcomed: false });
  expect(await inboxOf("u2")).toEqual([]);

  await takeIn(parts, deleted);
  await takeIn(parts, again);
  expect(await parts.people.get("u1")).toMatchObject({ state: "deleted" });
});

test("nothing of a deleted person is left but the mark", async () => {
  await takeIn(parts, created);
  await updatePreferences(parts, "u1", (before) => ({ ...before, locale: "de" }));
  for (let n = 0; n < 5; n += 1) await send(parts, message);
  await takeIn(parts, {
    kind: "created",
    account: account(1, { userId: "u1/x", name: "Eve", email: "eve@example.org" }),
  });
  await takeIn(parts, deleted);
  expect(await inboxOf("u1")).toEqual([]);
  expect(await inboxOf("u1/x")).toHaveLength(1);
  await expect(get(parts, admin, "welcome-u1")).rejects.toMatchObject({ reason: "NOT_FOUND" });
  await expect(send(parts, message)).rejects.toMatchObject({ reason: "NOT_FOUND" });
  await expect(getPreferences(parts, "u1")).rejects.toMatchObject({ reason: "NOT_FOUND" });
  const store = await fixture.store();
  const left = (await store.range({ prefix: "", limit: 1000 })).map((entry) => Buffer.from(entry.value).toString());
  expect(left.join()).toContain("Eve");
  expect(left.join()).not.toMatch(/ada/i);
});

test("a request id gets one notification, and is refused for another one", async () => {
  const request = { ...message, requestId: "r1" };
  const second = await fixture.replica();
  const answers = await Promise.all([send(parts, request), send(second, request), send(parts, request)]);
  expect(new Set(answers.map((answer) => answer.id)).size).toBe(1);
  expect(await inboxOf("u1")).toHaveLength(1);
  await expect(send(parts, { ...request, title: "Other" })).rejects.toMatchObject({ reason: "IDEMPOTENCY_CONFLICT" });
  await send(parts, { ...request, caller: "somebody else" });
  await send(parts, message);
  await send(parts, message);
  expect(await inboxOf("u1")).toHaveLength(4);
});

test("pages go from the newest to the oldest, and stay right while more arrive", async () => {
  for (let n = 1; n <= 5; n += 1) await send(parts, { ...message, title: `t${n}` });
  const first = await list(parts, { userId: "u1", size: 2, pageToken: "" });
  await send(parts, { ...message, title: "t6" });
  const second = await list(parts, { userId: "u1", size: 2, pageToken: first.nextPageToken });
  const third = await list(parts, { userId: "u1", size: 2, pageToken: second.nextPageToken });
  const titles = [first, second, third].map((page) => page.notifications.map((notification) => notification.title));
  expect(titles).toEqual([["t5", "t4"], ["t3", "t2"], ["t1"]]);
  expect(third.nextPageToken).toBe("");
  for (const [userId, pageToken] of [
    ["u2", first.nextPageToken],
    ["u1", "garbage"],
    ["u1", `${first.nextPageToken}A`],
  ] as const) {
    const forged = list(parts, { userId, size: 2, pageToken });
    await expect(forged).rejects.toMatchObject({ reason: "INVALID_PAGE_TOKEN" });
  }
});

test("others' notifications are not there; an administrator sees all", async () => {
  const { id } = await send(parts, message);
  expect((await get(parts, me, id)).id).toBe(id);
  expect((await get(parts, admin, id)).id).toBe(id);
  for (const work of [get, read]) {
    await expect(work(parts, other, id)).rejects.toMatchObject({ reason: "NOT_FOUND" });
    await expect(work(parts, undefined, id)).rejects.toMatchObject({ reason: "NOT_FOUND" });
    await expect(work(parts, me, "no such id")).rejects.toMatchObject({ reason: "NOT_FOUND" });
  }
});

test("reading twice keeps the first time", async () => {
  const { id } = await send(parts, message);
  const first = await read(parts, me, id);
  await fixture.clock.advance(1000);
  expect(first.readTime).toBeDefined();
  expect(await read(parts, me, id)).toEqual(first);
});

/** Hears of a watcher that is accepted. */
const accept = vi.fn<() => void>();

test("a watcher gets what arrives from now on, of its inbox alone, also through another replica", async () => {
  const second = await fixture.replica();
  await send(parts, { ...message, title: "before" });
  const abort = new AbortController();
  const seen: string[] = [];
  const watching = (async () => {
    const options = { userId: "u1", eventId: "", signal: abort.signal, accept };
    for await (const notification of watch(parts, options)) seen.push(notification.title);
  })();
  await fixture.clock.advance(1);
  await send(parts, { ...message, title: "here" });
  await fixture.clock.advance(0);
  expect(seen).toEqual(["here"]);
  await send(second, { ...message, title: "there" });
  await send(second, { ...message, userId: "u2", title: "not mine" });
  await fixture.clock.advance(250);
  expect(seen).toEqual(["here", "there"]);
  abort.abort();
  await fixture.clock.advance(250);
  await watching;
});

test("a watcher resumes after the event it saw last", async () => {
  for (let n = 1; n <= 250; n += 1) await send(parts, { ...message, title: `t${n}` });
  const abort = new AbortController();
  const seen: string[] = [];
  for await (const notification of watch(parts, { userId: "u1", eventId: "3", signal: abort.signal, accept })) {
    seen.push(notification.title);
    if (seen.length === 247) abort.abort();
  }
  expect(seen).toEqual(Array.from({ length: 247 }, (_, n) => `t${n + 4}`));
  const accepted = accept.mock.calls.length;
  const forged = watch(parts, { userId: "u1", eventId: "x", signal: abort.signal, accept });
  await expect(forged.next()).rejects.toMatchObject({ reason: "INVALID_ARGUMENT" });
  expect(accept).toHaveBeenCalledTimes(accepted);
});

test("a watcher whose last event lies ahead of everything gets what arrives from now on", async () => {
  await send(parts, { ...message, title: "before" });
  const abort = new AbortController();
  const next = watch(parts, { userId: "u1", eventId: "999999", signal: abort.signal, accept }).next();
  await fixture.clock.advance(1);
  await send(parts, { ...message, title: "after" });
  expect((await next).value).toMatchObject({ title: "after" });
  abort.abort();
  await fixture.clock.advance(250);
});

test("preferences are the defaults until somebody says something, and then what they said", async () => {
  await takeIn(parts, created);
  expect(await getPreferences(parts, "u1")).toEqual({ channels: ["email"], locale: "en", webhookUrl: "" });
  await updatePreferences(parts, "u1", (before) => ({ ...before, channels: [] }));
  await takeIn(parts, updated);
  expect(await getPreferences(parts, "u1")).toMatchObject({ channels: [], locale: "en" });
  const bad = updatePreferences(parts, "u1", (before) => ({ ...before, locale: "no locale" }));
  expect(isWeftError(await bad.catch((error: unknown) => error), "INVALID_ARGUMENT")).toBe(true);
  expect(await getPreferences(parts, "nobody yet")).toMatchObject({ channels: ["email"] });
});
