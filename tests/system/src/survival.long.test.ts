import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Mesh, startMesh, until } from "./mesh.ts";
import { packagesIndex } from "./packages-index.ts";
import { data, rest } from "./rest.ts";

interface ListPage {
  readonly users: readonly { readonly id: string; readonly email: string }[];
  readonly nextPageToken: string;
}

async function userIds(mesh: Mesh): Promise<string[]> {
  const ids: string[] = [];
  let pageToken = "";
  do {
    const { status, body } = await rest<ListPage>(
      mesh,
      `/users?pageSize=500&pageToken=${encodeURIComponent(pageToken)}`,
    );
    if (status !== 200) throw new Error(`listing users answered ${status}`);
    ids.push(...body.users.map(({ id }) => id));
    pageToken = body.nextPageToken;
  } while (pageToken !== "");
  return ids;
}

async function indexedIds(mesh: Mesh, index = "users"): Promise<string[]> {
  const { status, body } = await rest<string>(mesh, `/search/${index}:export?q=`);
  if (status !== 200) throw new Error(`exporting answered ${status}`);
  return body
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => (JSON.parse(line) as { id: string }).id);
}

/** Every user in the index once and welcomed once. */
async function accountFor(mesh: Mesh): Promise<void> {
  const ids = (await userIds(mesh)).sort();
  let indexed: string[] = [];
  await until(
    async () => {
      indexed = (await indexedIds(mesh)).sort();
      return indexed.length >= ids.length;
    },
    { what: () => `${ids.length} users in the index, now ${indexed.length}`, timeoutMs: 30_000 },
  );
  expect(indexed).toEqual(ids);
  const waiting = ids.values();
  const work = async (): Promise<void> => {
    for (const id of waiting) await welcomedOnce(mesh, id);
  };
  await Promise.all(Array.from({ length: 16 }, work));
}

async function welcomedOnce(mesh: Mesh, id: string): Promise<void> {
  let types: string[] = [];
  await until(
    async () => {
      const { body } = await rest<{ notifications?: { type: string }[] }>(mesh, `/notifications?userId=${id}`);
      types = body.notifications?.map(({ type }) => type) ?? [];
      return types.length > 0;
    },
    { what: `the welcome of ${id}`, timeoutMs: 30_000 },
  );
  expect(types, id).toEqual(["welcome"]);
}

test("after a restart everything is still there", async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "weft-restart-"));
  try {
    {
      await using mesh = await startMesh({ dataDir });
      expect((await rest(mesh, "/users:import", { body: await data("people.ndjson") })).body).toMatchObject({
        created: 287,
      });
      await accountFor(mesh);
      expect(await mesh.stop()).toBe(0);
    }
    await using mesh = await startMesh({ dataDir });
    expect((await userIds(mesh)).length).toBe(287);
    await accountFor(mesh);
    const { body } = await rest<{ totalHits: number }>(mesh, "/search/users?q=Nobel");
    expect(body.totalHits).toBe(2);
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
});

/** Posts lines slowly, kills the only process of a service half-way, and waits for the one in its place. */
async function killDuring(mesh: Mesh, service: string, path: string, text: string): Promise<void> {
  const lines = text.trim().split("\n");
  const victim = (await mesh.status()).find((process) => process.service === service);
  if (victim === undefined) throw new Error(`no ${service} runs`);
  const half = Promise.withResolvers<void>();
  const enough = lines.length / 2;
  // The body comes slowly, so that the process dies while lines are on their way.
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const chunk = lines.splice(0, 20);
      if (chunk.length === 0) return controller.close();
      controller.enqueue(new TextEncoder().encode(chunk.join("\n") + "\n"));
      if (lines.length < enough) half.resolve();
      await new Promise((resolve) => setTimeout(resolve, 20));
    },
  });
  const posting = fetch(`${mesh.url}/api/v1${path}`, {
    method: "POST",
    body,
    duplex: "half",
    headers: { authorization: `Bearer ${mesh.token}`, "content-type": "application/x-ndjson" },
    signal: AbortSignal.timeout(60_000),
  }).then(
    (response) => response.status,
    () => 0,
  );
  await half.promise;
  process.kill(victim.pid, "SIGKILL");
  await posting;
  await until(
    async () => {
      const now = await mesh.status();
      return now.some((row) => row.service === service && row.pid !== victim.pid && row.state === "ready");
    },
    { what: `${service} to be restarted`, timeoutMs: 20_000 },
  );
}

test.each(["user", "indexer", "notification", "search", "gateway"])(
  "kill -9 of %s in the middle of an import loses nobody and welcomes nobody twice",
  async (service) => {
    await using mesh = await startMesh();
    const text = await data("people.ndjson");
    await killDuring(mesh, service, "/users:import", text);
    // What was cut off is sent again; what had been accepted is skipped.
    await until(
      async () => {
        const { status, body } = await rest<{ created: number; skipped: number }>(mesh, "/users:import", {
          body: text,
        });
        return status === 200 && body.created + body.skipped === 287;
      },
      { what: "the import to go through", timeoutMs: 20_000 },
    );
    await accountFor(mesh);
    expect((await userIds(mesh)).length).toBe(287);
  },
);

test("kill -9 of the indexer in the middle of a bulk load: sent again, each document is there once", async () => {
  await using mesh = await startMesh();
  expect((await rest(mesh, "/indexes", { body: packagesIndex })).status).toBe(201);
  const text = await data("packages.ndjson");
  const ids = text
    .trim()
    .split("\n")
    .map((line) => (JSON.parse(line) as { id: string }).id);
  await killDuring(mesh, "indexer", "/indexes/packages/documents:bulk", text);
  await until(
    async () => {
      const { status, body } = await rest<{ indexed: number }>(mesh, "/indexes/packages/documents:bulk", {
        body: text,
      });
      return status === 200 && body.indexed === ids.length;
    },
    { what: "the bulk load to go through", timeoutMs: 20_000 },
  );
  expect((await indexedIds(mesh, "packages")).sort()).toEqual(ids.sort());
  const { body } = await rest<{ totalHits: number }>(mesh, "/search/packages?pageSize=1");
  expect(body.totalHits).toBe(ids.length);
  expect((await rest(mesh, "/indexes/packages")).body).toMatchObject({ documentCount: ids.length });
});

test("one of three replicas killed under load: calls in flight on it may fail, later ones do not", async () => {
  await using mesh = await startMesh({ args: ["--replicas", "user=3"] });
  const { body: created } = await rest<{ id: string }>(mesh, "/users", { body: { email: "a@example.org", name: "A" } });
  const replicas = (await mesh.status()).filter(({ service }) => service === "user");
  expect(replicas.length).toBe(3);
  const failures: number[] = [];
  let killedAt = Number.POSITIVE_INFINITY;
  // The load goes on for two seconds after the kill.
  const goesOn = (): boolean => performance.now() < killedAt + 2000;
  let calls = 0;
  const caller = async (): Promise<void> => {
    while (goesOn()) {
      const started = performance.now();
      const { status } = await rest(mesh, `/users/${created.id}`);
      calls += 1;
      if (status !== 200) failures.push(started - killedAt);
    }
  };
  const callers = Array.from({ length: 16 }, caller);
  await until(() => calls >= 100, { what: "the load to run" });
  const [victim] = replicas;
  if (victim === undefined) throw new Error("no replica");
  killedAt = performance.now();
  process.kill(victim.pid, "SIGKILL");
  await Promise.all(callers);
  expect(failures.filter((since) => since > 1000)).toEqual([]);
  expect(failures.length).toBeLessThanOrEqual(16);
});

test("two meshes on one machine do not meet", async () => {
  await using one = await startMesh();
  await using two = await startMesh();
  await rest(one, "/users", { body: { email: "only@example.org", name: "Only One" } });
  expect((await userIds(one)).length).toBe(1);
  expect((await userIds(two)).length).toBe(0);
});
