import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { openPostgres } from "@weft/sql-postgres";
import { startTestPostgres, type TestPostgres } from "@weft/sql-postgres/testing";
import type { User } from "../domain/user.ts";
import type { Schema } from "../store/schema.ts";
import { lockUser } from "../store/users.ts";
import { announced, cause, profileOf, testContext } from "../testing.ts";
import { republishUsers } from "./republish-users.ts";
import { changeUser, createUser, removeUser } from "./users.ts";

let postgres: TestPostgres;
let context: Awaited<ReturnType<typeof testContext>>;
beforeAll(async () => {
  postgres = await startTestPostgres();
}, 60_000);
afterAll(() => postgres[Symbol.asyncDispose]());
beforeEach(async () => {
  context = await testContext(await openPostgres<Schema>({ url: await postgres.freshDatabase() }));
});
afterEach(() => context.database[Symbol.asyncDispose]());

const { signal } = new AbortController();

function make(n: number): Promise<User> {
  const profile = profileOf({ email: `p${n}@example.org`, name: `Person ${n}` });
  return createUser(context, { profile, password: undefined, requestId: "", ...cause });
}

function change({ id }: User, bio: string): Promise<User> {
  const patch = { ...profileOf(), bio, password: undefined };
  return changeUser(context, { id, patch, mask: ["bio"], etag: "", ...cause });
}

const later = async (): Promise<readonly [key: string, version: string, type: string][]> =>
  (await announced(context.database)).map(({ key, version, type }) => [key, version, type.replace(/.*\./, "")]);

test("everybody is announced again under the version that they have, over as many pages as it takes", async () => {
  const users = await Promise.all([1, 2, 3, 4, 5].map(make));
  const [first, second] = users;
  if (first === undefined || second === undefined) return expect.unreachable();
  const changed = await change(first, "countess");
  await removeUser(context, { id: second.id, etag: "", ...cause });
  const before = (await later()).length;
  expect(await republishUsers(context, { ...cause, signal, pageSize: 2 })).toBe(4);
  const events = (await announced(context.database)).slice(before);
  expect(events.map(({ type }) => type)).toEqual(Array.from({ length: 4 }, () => "weft.event.v1.UserUpdated"));
  const left = users.filter(({ id }) => id !== second.id).map(({ id }) => id);
  expect(events.map(({ key }) => key)).toEqual(left.toSorted());
  const told = events.find(({ key }) => key === first.id);
  expect(told?.event).toMatchObject({ user: { id: first.id, bio: "countess", version: 2n }, changed: { paths: [] } });
  expect(told?.version).toBe(String(changed.version));
  expect(told?.traceparent).toContain(cause.trace.traceId);
  expect(await republishUsers(context, { ...cause, signal })).toBe(4);
});

test("nobody is no page", async () => {
  expect(await republishUsers(context, { ...cause, signal })).toBe(0);
});

test("whoever is being changed is waited for, so that versions stay in order; who is being deleted is left out", async () => {
  const [ada, bob] = [await make(1), await make(2)];
  const locked = Promise.withResolvers<undefined>();
  const go = Promise.withResolvers<undefined>();
  const writing = context.database.transaction(async (transaction) => {
    for (const { id } of [ada, bob]) await lockUser(transaction, id);
    locked.resolve(undefined);
    await go.promise;
  });
  await locked.promise;
  // All stand in line behind the writer; whichever comes first, the other waits for it.
  const changes = Promise.all([change(ada, "new"), removeUser(context, { id: bob.id, etag: "", ...cause })]);
  const republished = republishUsers(context, { ...cause, signal });
  go.resolve(undefined);
  await Promise.all([writing, changes, republished]);
  for (const { id } of [ada, bob]) {
    const versions = (await later()).filter(([key]) => key === id).map(([, version]) => Number(version));
    expect(versions).toEqual(versions.toSorted((a, b) => a - b));
  }
  expect((await later()).findLast(([key]) => key === bob.id)).toEqual([bob.id, "2", "UserDeleted"]);
  expect((await later()).findLast(([key]) => key === ada.id)?.[1]).toBe("2");
});

test("one that is given up keeps the pages that it has made", async () => {
  await Promise.all([1, 2, 3].map(make));
  const stop = new AbortController();
  const newId = (): string => {
    stop.abort(new Error("gone"));
    return "e";
  };
  const republishing = republishUsers({ ...context, newId }, { ...cause, signal: stop.signal, pageSize: 2 });
  await expect(republishing).rejects.toThrow("gone");
  expect(await later()).toHaveLength(3 + 2);
});
