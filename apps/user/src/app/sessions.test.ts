import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createTokenVerifier } from "@weft/security";
import { openPostgres } from "@weft/sql-postgres";
import { startTestPostgres, type TestPostgres } from "@weft/sql-postgres/testing";
import type { Schema } from "../store/schema.ts";
import { deleteExpired } from "../store/expired.ts";
import { cause, profileOf, testContext } from "../testing.ts";
import { writeAdminToken } from "./admin-token.ts";
import { login, logout, refresh, type SessionContext } from "./sessions.ts";
import { openSigningKeys } from "./signing-keys.ts";
import { changeUser, createUser, removeUser } from "./users.ts";

let postgres: TestPostgres;
let context: SessionContext & Awaited<ReturnType<typeof testContext>>;
beforeAll(async () => {
  postgres = await startTestPostgres();
}, 60_000);
afterAll(() => postgres[Symbol.asyncDispose]());
beforeEach(async () => {
  const users = await testContext(await openPostgres<Schema>({ url: await postgres.freshDatabase() }));
  const keys = await openSigningKeys(users);
  context = { ...users, keys, accessTokenMs: 900_000, refreshTokenMs: 3_600_000 };
});
afterEach(() => context.database[Symbol.asyncDispose]());

const password = "correct horse";
const credentials = { email: "ADA@example.org", password };
const notGood = { reason: "UNAUTHENTICATED" };

function makeAda() {
  return createUser(context, { profile: profileOf(), password, requestId: "", ...cause });
}

function verify(token: string) {
  const { clock, keys } = context;
  return createTokenVerifier({ keys: () => Promise.resolve(keys.publicKeys), clock }).verify(`Bearer ${token}`);
}

describe("a session", { timeout: 20_000 }, () => {
  test("begins with the right password, and its access token is good for its time", async () => {
    const { id } = await makeAda();
    const tokens = await login(context, credentials);
    expect(tokens).toMatchObject({ userId: id, expiresIn: 900 });
    expect(await verify(tokens.accessToken)).toEqual({ subject: id, roles: [] });
    await context.clock.advance(910_000);
    await expect(verify(tokens.accessToken)).rejects.toMatchObject({ reason: "TOKEN_EXPIRED" });
  });

  test("does not begin with a wrong password, for an unknown user, or without a password: one answer for all", async () => {
    await makeAda();
    await createUser(context, {
      profile: profileOf({ email: "bob@example.org" }),
      password: undefined,
      requestId: "",
      ...cause,
    });
    for (const email of ["ada@example.org", "bob@example.org", "nobody@example.org"]) {
      const error: unknown = await login(context, { email, password: "wrong horse" }).catch(
        (rejected: unknown) => rejected,
      );
      expect(error).toMatchObject({ reason: "BAD_CREDENTIALS", metadata: {} });
    }
  });

  test("goes on by refresh tokens that are good once", async () => {
    await makeAda();
    const first = await login(context, credentials);
    const second = await refresh(context, first.refreshToken);
    const third = await refresh(context, second.refreshToken);
    expect(new Set([first, second, third].map(({ refreshToken }) => refreshToken)).size).toBe(3);
    expect(await verify(third.accessToken)).toMatchObject({ subject: first.userId });
  });

  test("ends when a refresh token comes a second time, also at the same time; another session goes on", async () => {
    await makeAda();
    const other = await login(context, credentials);
    const first = await login(context, credentials);
    const second = await refresh(context, first.refreshToken);
    await expect(refresh(context, first.refreshToken)).rejects.toMatchObject(notGood);
    await expect(refresh(context, second.refreshToken)).rejects.toMatchObject(notGood);

    const third = await login(context, credentials);
    const both = await Promise.allSettled([refresh(context, third.refreshToken), refresh(context, third.refreshToken)]);
    expect(both.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
    for (const one of both) {
      if (one.status === "fulfilled")
        await expect(refresh(context, one.value.refreshToken)).rejects.toMatchObject(notGood);
    }
    await refresh(context, other.refreshToken);
  });

  test("ends by logout, twice without complaint; by time; by a new password; and with the user", async () => {
    const { id } = await makeAda();
    const out = await login(context, credentials);
    await logout(context, out.refreshToken);
    await logout(context, out.refreshToken);
    await logout(context, "rubbish");
    await expect(refresh(context, out.refreshToken)).rejects.toMatchObject(notGood);

    const old = await login(context, credentials);
    await context.clock.advance(3_600_001);
    await expect(refresh(context, old.refreshToken)).rejects.toMatchObject(notGood);

    const before = await login(context, credentials);
    const patch = { email: "", name: "", bio: "", location: "", locale: "", tags: [], password: "battery staple" };
    await changeUser(context, { id, patch, mask: ["password"], etag: "", ...cause });
    await expect(refresh(context, before.refreshToken)).rejects.toMatchObject(notGood);
    await expect(login(context, credentials)).rejects.toMatchObject({ reason: "BAD_CREDENTIALS" });

    const last = await login(context, { ...credentials, password: "battery staple" });
    await removeUser(context, { id, etag: "", ...cause });
    await expect(refresh(context, last.refreshToken)).rejects.toMatchObject(notGood);
  });

  test("leaves nothing in the store that would refresh it, and nothing at all once it has run out", async () => {
    await makeAda();
    const { refreshToken } = await login(context, credentials);
    const rows = await context.database.kysely.selectFrom("sessions").selectAll().execute();
    expect(rows).toHaveLength(1);
    expect(JSON.stringify(rows)).not.toContain(refreshToken.split(".")[1]);
    await context.clock.advance(3_600_001);
    await deleteExpired(context.database, context.clock.now());
    expect(await context.database.kysely.selectFrom("sessions").selectAll().execute()).toEqual([]);
  });
});

describe("signing keys", { timeout: 20_000 }, () => {
  test("are made once, however many replicas start together, and only their public part is shown", async () => {
    const users = await testContext(await openPostgres<Schema>({ url: await postgres.freshDatabase() }));
    await using _database = users.database;
    const sets = await Promise.all([1, 2, 3, 4].map(() => openSigningKeys(users)));
    const [first] = sets;
    expect(first?.publicKeys.keys).toEqual([
      { kty: "OKP", crv: "Ed25519", x: expect.any(String), kid: expect.any(String), alg: "EdDSA", use: "sig" },
    ]);
    for (const { publicKeys } of sets) expect(publicKeys).toEqual(first?.publicKeys);
  });
});

describe("the administrator's token", { timeout: 20_000 }, () => {
  test("is written once, kept while it is good, and replaced when it is old or not ours", async () => {
    const folder = await mkdtemp(join(tmpdir(), "weft-user-"));
    try {
      const path = join(folder, "admin-token");
      const read = async () => (await readFile(path, "utf8")).trim();
      await Promise.all([1, 2, 3].map(() => writeAdminToken(context, path)));
      const first = await read();
      expect(await verify(first)).toEqual({ subject: "admin", roles: ["admin"] });
      expect((await stat(path)).mode & 0o777).toBe(0o600);
      expect(await readdir(folder)).toEqual(["admin-token"]);

      await writeAdminToken(context, path);
      expect(await read()).toBe(first);
      await context.clock.advance(16 * 24 * 3_600_000);
      await writeAdminToken(context, path);
      const second = await read();
      expect(second).not.toBe(first);

      await writeFile(path, "forged");
      await writeAdminToken(context, path);
      expect(await verify(await read())).toMatchObject({ subject: "admin" });
      await expect(writeAdminToken(context, join(folder, "missing", "admin-token"))).rejects.toMatchObject({
        reason: "INVALID_CONFIGURATION",
      });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
