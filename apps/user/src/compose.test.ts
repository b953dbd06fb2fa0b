import { fromBinary } from "@bufbuild/protobuf";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Blocks, blockUrlDefaults, openPubSub } from "@weft/blocks";
import { UserCreatedSchema, UserUpdatedSchema } from "@weft/contracts/event";
import { AuthService, UserService } from "@weft/contracts/user";
import { newUuid, silentLog, systemClock } from "@weft/kit";
import type { Delivery } from "@weft/pubsub";
import { type Client, createClient, openServer, openTransport } from "@weft/rpc";
import { startTestPostgres } from "@weft/sql-postgres/testing";
import { createLogger, createMetrics } from "@weft/telemetry";
import { compose } from "./compose.ts";

const stack = new AsyncDisposableStack();
const delivered: Delivery[] = [];
let users: Client<typeof UserService>;
let auth: Client<typeof AuthService>;
let admin: { readonly authorization: string };

beforeAll(async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "weft-user-"));
  stack.defer(() => rm(dataDir, { recursive: true, force: true }));
  const postgres = stack.use(await startTestPostgres());
  const urls = { ...blockUrlDefaults("embedded"), sql: await postgres.freshDatabase() };
  const blocks = new Blocks({ dataDir, urls, stack });

  const stop = new AbortController();
  const background: ((signal: AbortSignal) => Promise<void>)[] = [];
  const parts = await compose({
    config: {
      dataDir,
      profile: "embedded",
      accessTokenMs: 900_000,
      refreshTokenMs: 900_000,
      adminTokenFile: undefined,
      outboxRelay: "table",
    },
    blocks,
    clock: systemClock,
    newId: newUuid,
    log: createLogger({ service: "user", instance: "test", level: "fatal" }),
    background: (_name, work) => void background.push(work),
    readiness: () => undefined,
    metrics: createMetrics(),
  });
  const server = stack.use(await openServer({ host: "127.0.0.1", port: 0, log: silentLog, ...parts }));
  const running = background.map((work) => work(stop.signal));
  stack.defer(async () => {
    stop.abort();
    await Promise.all(running);
  });
  const pubsub = await openPubSub(blocks);
  const handle = (delivery: Delivery): Promise<void> => Promise.resolve(void delivered.push(delivery));
  stack.use(await pubsub.subscribe({ group: "test", topics: ["weft.user.v1"], handle }));

  const transport = stack.use(openTransport({ address: server.address }));
  users = createClient(UserService, transport);
  auth = createClient(AuthService, transport);
  admin = { authorization: `Bearer ${(await readFile(join(dataDir, "admin-token"), "utf8")).trim()}` };
}, 60_000);
afterAll(() => stack.disposeAsync());

const soon = { timeout: 5000, interval: 10 };
const ada = { email: "ada@example.org", name: "Ada", password: "correct horse" };

test("one person: signs up, is announced, logs in, reads and changes their own profile and nobody else's", async () => {
  const { user } = await users.createUser({ user: ada });
  const id = user?.id ?? "";
  await expect.poll(() => delivered.filter(({ key }) => key === id), soon).toHaveLength(1);
  const { event } = delivered.find(({ key }) => key === id) ?? expect.unreachable();
  expect(event).toMatchObject({ source: "/weft/user", type: "weft.event.v1.UserCreated", subject: id });
  expect(event.extensions).toMatchObject({ aggregateversion: "1", traceparent: expect.stringMatching(/^00-/) });
  expect(fromBinary(UserCreatedSchema, event.data).user).toMatchObject({ id, name: "Ada", version: 1n });

  await expect(users.getUser({ id })).rejects.toMatchObject({ reason: "UNAUTHENTICATED" });
  const tokens = await auth.login({ email: ada.email, password: ada.password });
  const own = { authorization: `Bearer ${tokens.accessToken}` };
  expect((await users.getUser({ id }, own)).user).toEqual(user);
  const changed = await users.updateUser({ id, user: { bio: "countess" }, etag: user?.etag ?? "" }, own);
  expect(changed.user).toMatchObject({ bio: "countess", name: "Ada" });
  await expect(users.deleteUser({ id: "someone-else" }, own)).rejects.toMatchObject({ reason: "PERMISSION_DENIED" });
  const { keys } = await auth.getJwks({});
  expect(keys).toHaveLength(1);
  await auth.logout({ refreshToken: tokens.refreshToken });
  await expect(auth.refresh({ refreshToken: tokens.refreshToken })).rejects.toMatchObject({
    reason: "UNAUTHENTICATED",
  });
});

test("bad input is refused by the contract before it is looked at", async () => {
  for (const bad of [
    { ...ada, email: "no address" },
    { ...ada, password: "short" },
    { ...ada, name: "" },
  ]) {
    await expect(users.createUser({ user: bad })).rejects.toMatchObject({ reason: "INVALID_ARGUMENT" });
  }
  await expect(users.createUser({ user: { ...ada, email: "x@example.org", bio: "a\0b" } })).rejects.toMatchObject({
    reason: "INVALID_ARGUMENT",
  });
});

test("the administrator imports a stream of people, of whom each is announced once", async () => {
  async function* batches() {
    for (let batch = 0; batch < 4; batch += 1) {
      yield {
        items: Array.from({ length: 500 }, (_, n) => {
          const line = batch * 500 + n + 1;
          return { line, user: { email: line === 7 ? "bad" : `p${line}@example.org`, name: `Person ${line}` } };
        }),
      };
    }
  }
  // The last event of an earlier test, an update, may still be on its way.
  const created = () => delivered.filter(({ event }) => event.type === UserCreatedSchema.typeName);
  const before = created().length;
  const result = await users.importUsers(batches(), admin);
  expect(result).toMatchObject({
    created: 1999,
    skipped: 0,
    failed: 1,
    errors: [{ line: 7, reason: "INVALID_ARGUMENT" }],
  });
  await expect.poll(() => created().length - before, soon).toBe(1999);
  expect(new Set(delivered.map(({ key }) => key)).size).toBe(2000);
  expect(await users.importUsers(batches(), admin)).toMatchObject({ created: 0, skipped: 1999, failed: 1 });
  const { users: page } = await users.listUsers({ filter: 'name = "Person 1999"' }, admin);
  expect(page).toHaveLength(1);
});

test("the administrator has everybody announced again, and nobody else can", async () => {
  await expect(users.republishUsers({})).rejects.toMatchObject({ reason: "UNAUTHENTICATED" });
  const { republished } = await users.republishUsers({}, admin);
  expect(republished).toBeGreaterThan(0);
  const again = () =>
    delivered.filter(({ event: { type, data } }) => {
      return type === UserUpdatedSchema.typeName && fromBinary(UserUpdatedSchema, data).changed?.paths.length === 0;
    });
  await expect.poll(() => again().length, soon).toBe(republished);
  expect(new Set(again().map(({ key }) => key)).size).toBe(republished);
});
