import { Blocks, openDiscovery } from "@weft/blocks";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Mesh, startBeside, startMesh, until } from "./mesh.ts";
import { type Edit, type NextVersion, nextVersion } from "./next-version.ts";
import { rest } from "./rest.ts";

/** A field that `buf breaking` allows, in the contract of events; who writes it, who reads it, and a column more in the database. */
const changes: readonly Edit[] = [
  {
    file: "proto/weft/event/v1/user_event.proto",
    find: "  int64 version = 10;\n",
    replace: "  int64 version = 10;\n  // How the user is to be addressed.\n  string display_name = 11;\n",
  },
  {
    file: "apps/user/src/domain/events.ts",
    find: "    updateTime: timestampFromMs(updatedAt),\n",
    replace: "    updateTime: timestampFromMs(updatedAt),\n    displayName: `Dear ${name}`,\n",
  },
  {
    file: "apps/user/src/compose.ts",
    find: "database.migrate(migrations)",
    replace:
      'database.migrate([...migrations, { name: "9001-display-name", up: "alter table users add column display_name text" }])',
  },
  {
    file: "apps/indexer/src/domain/users-index.ts",
    find: "locale, createTime }: UserState): JsonObject {\n  return {\n    id,\n",
    replace:
      'locale, createTime, displayName }: UserState): JsonObject {\n  return {\n    id,\n    ...(displayName === "" ? {} : { displayName }),\n',
  },
];

const stack = new AsyncDisposableStack();
let next: NextVersion;
let mesh: Mesh;
beforeAll(async () => {
  next = stack.use(await nextVersion("9.9.9", changes));
  await next.generate();
  mesh = stack.use(await startMesh());
});
afterAll(() => stack.disposeAsync());

test("the change of the contract is one that is allowed, and another is not", async () => {
  await next.checkContracts();
  await using breaking = await nextVersion("9.9.9", [
    { file: "proto/weft/event/v1/user_event.proto", find: "int64 version = 10;", replace: "int64 version = 11;" },
  ]);
  await expect(breaking.checkContracts()).rejects.toMatchObject({ stdout: expect.stringContaining("was deleted") });
});

test("an old and a new version of a service work side by side on the same topics and stores", async () => {
  const user = stack.use(startBeside(mesh, await next.bundle("user")));
  const indexer = stack.use(startBeside(mesh, await next.bundle("indexer")));
  const discovery = await openDiscovery(new Blocks({ dataDir: mesh.dataDir, urls: mesh.urls, stack }));
  const versionsOf = async (service: string): Promise<string[]> =>
    (await discovery.list()).flatMap((one) => (one.service === service ? [one.metadata["version"] ?? ""] : [])).sort();
  for (const service of ["user", "indexer"]) {
    await until(async () => (await versionsOf(service)).join() === "0.1.0,9.9.9", {
      what: `both versions of ${service}`,
    });
  }

  const ids = await signUp(0, 200);
  const [first = ""] = ids;
  // An older process that is started again finds a database which the newer one has changed.
  const old = (await mesh.status()).find(({ service }) => service === "user");
  process.kill(old?.pid ?? 0, "SIGKILL");
  await until(
    async () =>
      (await mesh.status()).some((row) => row.service === "user" && row.pid !== old?.pid && row.state === "ready"),
    {
      what: "the old version to be started again",
      timeoutMs: 20_000,
    },
  );
  await until(async () => (await versionsOf("user")).join() === "0.1.0,9.9.9", { what: "both versions again" });
  ids.push(...(await signUp(200, 300)));

  // Every user is in the index once, whichever version wrote, published, took in.
  let found: Awaited<ReturnType<typeof indexed>> = [];
  await until(
    async () => {
      found = await indexed();
      return found.length >= ids.length;
    },
    { what: () => `${ids.length} users in the index, now ${found.length}`, timeoutMs: 30_000 },
  );
  expect(found.map(({ id }) => id).sort()).toEqual(ids.sort());
  const greeted = found.filter(({ displayName }) => displayName !== undefined);
  expect(greeted.every(({ name, displayName }) => displayName === `Dear ${name}`)).toBe(true);
  expect(greeted.length, "what a new version wrote and a new one took in").toBeGreaterThan(0);
  expect(greeted.length, "and what went by an old one").toBeLessThan(found.length);
  const { body } = await rest<{ notifications: { type: string }[] }>(mesh, `/notifications?userId=${first}`);
  expect(body.notifications.map(({ type }) => type)).toEqual(["welcome"]);

  expect([await user.stop(), await indexer.stop()]).toEqual([0, 0]);
  expect(await versionsOf("user")).toEqual(["0.1.0"]);
});

async function signUp(from: number, to: number): Promise<string[]> {
  const numbers = Array.from({ length: to - from }, (_, index) => from + index);
  const ids: string[] = [];
  const waiting = numbers.values();
  const work = async (): Promise<void> => {
    for (const number of waiting) {
      const body = { email: `u${number}@example.org`, name: `User ${number}` };
      const { status, body: created } = await rest<{ id: string }>(mesh, "/users", { body });
      expect(status).toBe(201);
      ids.push(created.id);
    }
  };
  await Promise.all(Array.from({ length: 8 }, work));
  return ids;
}

async function indexed(): Promise<{ id: string; name: string; displayName?: string }[]> {
  const { body } = await rest<string>(mesh, "/search/users:export?q=");
  return body
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as { id: string; name: string });
}
