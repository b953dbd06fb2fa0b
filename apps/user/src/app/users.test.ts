import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type ImportUser, ImportUserSchema } from "@weft/contracts/user";
import { openPostgres } from "@weft/sql-postgres";
import { startTestPostgres, type TestPostgres } from "@weft/sql-postgres/testing";
import type { Patch } from "../domain/patch.ts";
import { emailKey, etagOf, type User } from "../domain/user.ts";
import type { Schema } from "../store/schema.ts";
import { announced, cause, profileOf, testContext } from "../testing.ts";
import { importUsers } from "./import-users.ts";
import { listPage } from "./list-users.ts";
import { batchGetUsers, changeUser, createUser, getUser, removeUser } from "./users.ts";

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

const none: Patch = { email: "", name: "", bio: "", location: "", locale: "", tags: [], password: undefined };

function make(values: Parameters<typeof profileOf>[0] = {}, more: { requestId?: string; password?: string } = {}) {
  const { requestId = "", password } = more;
  return createUser(context, { profile: profileOf(values), password, requestId, ...cause });
}

function patch(id: string, values: Partial<Patch>, etag = ""): Promise<User> {
  return changeUser(context, { id, patch: { ...none, ...values }, mask: [], etag, ...cause });
}

describe("a user", { timeout: 20_000 }, () => {
  test("is made, changed and deleted with an event for each version, under the trace of its call", async () => {
    const made = await make({ tags: ["a"] }, { password: "correct horse" });
    expect(await getUser(context, made.id)).toEqual(made);
    await context.clock.advance(1000);
    const changed = await patch(made.id, { bio: "countess", tags: ["a"] });
    expect(changed).toEqual({ ...made, bio: "countess", version: 2, updatedAt: made.updatedAt + 1000 });
    await removeUser(context, { id: made.id, etag: etagOf(changed), ...cause });
    await expect(getUser(context, made.id)).rejects.toMatchObject({ reason: "NOT_FOUND" });

    const events = await announced(context.database);
    expect(events.map(({ key, type, version }) => [key, type, version])).toEqual([
      [made.id, "weft.event.v1.UserCreated", "1"],
      [made.id, "weft.event.v1.UserUpdated", "2"],
      [made.id, "weft.event.v1.UserDeleted", "3"],
    ]);
    expect(events[1]?.event).toMatchObject({ user: { bio: "countess", version: 2n }, changed: { paths: ["bio"] } });
    expect(events[2]?.event).toMatchObject({ id: made.id, version: 3n });
    expect(events[0]?.traceparent).toBe("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  });

  test("has an e-mail address of its own, whatever the case; the error does not repeat it", async () => {
    await make({ email: "Ada@Example.org" });
    const other = await make({ email: "bob@example.org" });
    for (const again of [make({ email: "ada@example.ORG" }), patch(other.id, { email: "ADA@example.org" })]) {
      const error: unknown = await again.catch((rejected: unknown) => rejected);
      expect(error).toMatchObject({ reason: "ALREADY_EXISTS", metadata: { field: "user.email" } });
      expect(`${String(error)} ${JSON.stringify(error)}`.toLowerCase()).not.toContain("example.org");
    }
    expect(await announced(context.database)).toHaveLength(2);
  });

  test("keeps its version when an update changes nothing", async () => {
    const made = await make({ bio: "same" });
    expect(await patch(made.id, { bio: "same" })).toEqual(made);
    expect(await announced(context.database)).toHaveLength(1);
  });

  test("is changed under its current etag alone", async () => {
    const made = await make();
    const changed = await patch(made.id, { bio: "one" }, etagOf(made));
    await expect(patch(made.id, { bio: "two" }, etagOf(made))).rejects.toMatchObject({ reason: "ETAG_MISMATCH" });
    await expect(patch(made.id, { bio: "two" }, "rubbish")).rejects.toMatchObject({ reason: "INVALID_ETAG" });
    const removal = removeUser(context, { id: made.id, etag: etagOf(made), ...cause });
    await expect(removal).rejects.toMatchObject({ reason: "ETAG_MISMATCH" });
    expect(await getUser(context, made.id)).toEqual(changed);
  });

  test("that many change at the same time gets a version for each change, announced in order", async () => {
    const made = await make();
    await Promise.all(Array.from({ length: 20 }, (_, n) => patch(made.id, { bio: `bio ${n}` })));
    const versions = (await announced(context.database)).map(({ version }) => Number(version));
    expect(versions).toEqual(Array.from({ length: 21 }, (_, n) => n + 1));
  });

  test("that is not there is NOT_FOUND, also by an id that nobody could have", async () => {
    await expect(patch("nobody", { bio: "x" })).rejects.toMatchObject({ reason: "NOT_FOUND" });
    await expect(removeUser(context, { id: "nobody", etag: "", ...cause })).rejects.toMatchObject({
      reason: "NOT_FOUND",
    });
    await expect(getUser(context, "a\0b")).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  test("comes by batch in the order asked for, without those that are not there", async () => {
    const [a, b] = [await make({ email: "a@example.org" }), await make({ email: "b@example.org" })];
    expect(await batchGetUsers(context, [b.id, "nobody", a.id, b.id])).toEqual([b, a, b]);
  });
});

describe("a request id", { timeout: 20_000 }, () => {
  test("makes one user, also when it comes many times at once", async () => {
    const made = await Promise.all([1, 2, 3, 4].map(() => make({}, { requestId: "r1", password: "correct horse" })));
    expect(new Set(made.map(({ id }) => id)).size).toBe(1);
    expect(await announced(context.database)).toHaveLength(1);
  });

  test("is refused for another request, also when only the password differs", async () => {
    await make({}, { requestId: "r1", password: "correct horse" });
    const conflict = { reason: "IDEMPOTENCY_CONFLICT" };
    await expect(make({ bio: "other" }, { requestId: "r1", password: "correct horse" })).rejects.toMatchObject(
      conflict,
    );
    await expect(make({}, { requestId: "r1", password: "wrong horse" })).rejects.toMatchObject(conflict);
    await expect(make({}, { requestId: "r1" })).rejects.toMatchObject(conflict);
  });

  test("is free again after a day, and after a request that failed", async () => {
    await make({ email: "taken@example.org" });
    await expect(make({ email: "taken@example.org" }, { requestId: "r1" })).rejects.toMatchObject({
      reason: "ALREADY_EXISTS",
    });
    const first = await make({ email: "a@example.org" }, { requestId: "r1" });
    await context.clock.advance(24 * 3_600_000 + 1);
    const second = await make({ email: "b@example.org" }, { requestId: "r1" });
    expect(second.id).not.toBe(first.id);
  });
});

describe("a list", { timeout: 20_000 }, () => {
  const list = (request: Partial<Parameters<typeof listPage>[1]> = {}) =>
    listPage(context, { size: 0, pageToken: "", filter: "", orderBy: "", byEmail: true, ...request });

  test("walks each order to its end, page by page, like a sort would, while users come and go behind it", async () => {
    const names = ["Ada", "Bob", "bob", "Éva", "Zoë"];
    const users: User[] = [];
    for (let n = 0; n < 12; n += 1) {
      users.push(await make({ email: `u${n}@example.org`, name: names[n % names.length] ?? "" }));
      if (n % 3 === 0) await context.clock.advance(1000);
    }
    const values = {
      name: (user: User) => user.name,
      email: (user: User) => emailKey(user.email),
      create_time: (user: User) => user.createdAt,
    };
    const fields = ["name", "email", "create_time"] as const;
    const keys = fc.uniqueArray(fc.record({ field: fc.constantFrom(...fields), descending: fc.boolean() }), {
      selector: ({ field }) => field,
    });
    await fc.assert(
      fc.asyncProperty(keys, fc.integer({ min: 1, max: 5 }), async (order, size) => {
        const orderBy = order.map(({ field, descending }) => (descending ? `${field} desc` : field)).join(", ");
        const got: User[] = [];
        let pageToken = "";
        do {
          const page = await list({ orderBy, size, pageToken });
          expect(page.users.length).toBeLessThanOrEqual(size);
          got.push(...page.users);
          pageToken = page.nextPageToken;
        } while (pageToken !== "");
        const whole = order.length > 0 ? order : [{ field: "create_time" as const, descending: false }];
        const sorted = users.toSorted((a, b) => {
          for (const { field, descending } of whole) {
            const [x, y] = [values[field](a), values[field](b)];
            if (x !== y) return x < y === descending ? 1 : -1;
          }
          return a.id < b.id === (whole.at(-1)?.descending ?? false) ? 1 : -1;
        });
        expect(got.map(({ id }) => id)).toEqual(sorted.map(({ id }) => id));
      }),
      { numRuns: 25 },
    );
  });

  test("goes on behind a user that was deleted meanwhile", async () => {
    const [a, b, c] = [
      await make({ email: "a@example.org" }),
      await make({ email: "b@example.org" }),
      await make({ email: "c@example.org" }),
    ];
    const first = await list({ orderBy: "email", size: 2 });
    expect(first.users).toEqual([a, b]);
    await removeUser(context, { id: b.id, etag: "", ...cause });
    expect(await list({ orderBy: "email", size: 2, pageToken: first.nextPageToken })).toEqual({
      users: [c],
      nextPageToken: "",
    });
  });

  test.for([
    ['name = "Ada"', ["a"]],
    ["name = A*", ["a", "c"]],
    ['name = "A*"', []],
    ["name:da", ["a"]],
    ["email = A@Example.org", ["a"]],
    ["tags:x", ["a", "b"]],
    ["tags:x AND tags:y", ["b"]],
    ["NOT tags:x", ["c"]],
    ["-tags:*", ["c"]],
    ["location:*", ["b"]],
    ['location = "100%_\\\\"', ["b"]],
    ["name = Ada OR name = Bob", ["a", "b"]],
    ["create_time >= 2026-01-01T00:00:01Z", ["b", "c"]],
    ["name != Ada", ["b", "c"]],
    [`name = "'; drop table users; --"`, []],
  ] as const)("by the filter %s", async ([filter, expected]) => {
    await make({ email: "a@example.org", name: "Ada", tags: ["x"] });
    await context.clock.advance(1000);
    await make({ email: "b@example.org", name: "Bob", tags: ["x", "y"], location: "100%_\\" });
    await make({ email: "c@example.org", name: "Al" });
    const { users } = await list({ filter, orderBy: "email" });
    expect(users.map(({ email }) => email.slice(0, 1))).toEqual(expected);
  });

  test("refuses what it does not understand, and tokens of another query", async () => {
    await make({ email: "a@example.org" });
    await make({ email: "b@example.org" });
    const filter = { reason: "INVALID_FILTER" };
    for (const bad of [
      "password_hash:*",
      "name",
      "tags < x",
      "create_time > yesterday",
      "create_time:*",
      "name < a*",
    ]) {
      await expect(list({ filter: bad })).rejects.toMatchObject(filter);
    }
    await expect(list({ orderBy: "bio" })).rejects.toMatchObject(filter);
    const { nextPageToken } = await list({ size: 1 });
    const token = { reason: "INVALID_PAGE_TOKEN" };
    await expect(list({ pageToken: nextPageToken, orderBy: "name" })).rejects.toMatchObject(token);
    await expect(list({ pageToken: "forged" })).rejects.toMatchObject(token);
    expect((await list({ pageToken: nextPageToken })).users).toHaveLength(1);
  });
});

describe("an import", { timeout: 20_000 }, () => {
  const item = (
    line: number,
    email: string,
    values: { name?: string; password?: string; bio?: string } = {},
  ): ImportUser => create(ImportUserSchema, { line, user: { email, name: "Somebody", ...values } });

  async function* batches(...all: ImportUser[][]): AsyncIterable<ImportUser[]> {
    yield* all;
  }

  test("creates the good ones, skips the known ones, reports the bad ones by line, and announces what it created", async () => {
    await make({ email: "known@example.org" });
    const result = await importUsers(
      context,
      batches(
        [item(1, "a@example.org"), item(2, "A@example.org"), item(3, "no address"), item(4, "KNOWN@example.org")],
        [
          item(5, "a@example.org"),
          item(6, "b@example.org", { password: "correct horse" }),
          create(ImportUserSchema, { line: 7 }),
        ],
        [item(8, "c@example.org", { bio: "a\0b" }), item(9, "c@example.org")],
      ),
      cause,
    );
    expect(result).toMatchObject({ created: 3, skipped: 3, failed: 3 });
    expect(result.errors.map(({ line, reason }) => [line, reason])).toEqual(
      [3, 7, 8].map((line) => [line, "INVALID_ARGUMENT"]),
    );
    expect(result.errors[0]?.detail).toMatch(/^email: /);
    const { users } = await listPage(context, { size: 0, pageToken: "", filter: "", orderBy: "email", byEmail: true });
    expect(users.map(({ email }) => email)).toEqual([
      "a@example.org",
      "b@example.org",
      "c@example.org",
      "known@example.org",
    ]);
    expect(await announced(context.database)).toHaveLength(4);
  });

  test("of the same people by two at a time creates each once", async () => {
    const people = Array.from({ length: 200 }, (_, n) => item(n + 1, `p${n}@example.org`));
    const [one, two] = await Promise.all([
      importUsers(context, batches(people.slice(0, 100), people.slice(100)), cause),
      importUsers(context, batches(people.toReversed()), cause),
    ]);
    expect(one.created + two.created).toBe(200);
    expect(one.skipped + two.skipped).toBe(200);
    expect(await announced(context.database)).toHaveLength(200);
  });

  test("lists the first 1,000 errors and counts all", async () => {
    const bad = Array.from({ length: 700 }, (_, n) => item(n + 1, "bad"));
    const result = await importUsers(context, batches(bad, bad), cause);
    expect(result).toMatchObject({ created: 0, skipped: 0, failed: 1400 });
    expect(result.errors).toHaveLength(1000);
  });

  test("that breaks off keeps what it created, with its events", async () => {
    async function* broken(): AsyncIterable<ImportUser[]> {
      yield [item(1, "a@example.org")];
      throw new Error("the caller is gone");
    }
    await expect(importUsers(context, broken(), cause)).rejects.toThrow("the caller is gone");
    expect(await announced(context.database)).toHaveLength(1);
  });
});
