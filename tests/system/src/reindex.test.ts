import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Mesh, type MeshProcess, startMesh, until } from "./mesh.ts";
import { packagesIndex } from "./packages-index.ts";
import { data, rest } from "./rest.ts";

interface OperationBody {
  readonly id: string;
  readonly target: string;
  readonly done: boolean;
  readonly processed: number;
  readonly total: number;
  readonly error?: { readonly reason: string; readonly detail: string };
}

interface SearchBody {
  readonly totalHits: number;
  readonly hits: readonly { readonly id: string; readonly document: Readonly<Record<string, unknown>> }[];
  readonly facets: Readonly<Record<string, readonly { readonly value: string; readonly count: number }[]>>;
}

/** For a whole test on a busy machine; each wait in it has its own limit. */
const limitMs = 180_000;

/** The names are counted, and the summaries suggested. */
const renewed = {
  ...packagesIndex,
  fields: packagesIndex.fields.map((field) => {
    if (field.name === "name") return { name: "name", keyword: { suggest: true, facet: true } };
    return field.name === "summary" ? { name: "summary", text: { weight: 2, suggest: true } } : field;
  }),
};

async function load(mesh: Mesh, lines: readonly object[]): Promise<void> {
  expect((await rest(mesh, "/indexes", { body: packagesIndex })).status).toBe(201);
  const body = lines.map((line) => JSON.stringify(line)).join("\n");
  expect((await rest(mesh, "/indexes/packages/documents:bulk", { body })).body).toMatchObject({
    indexed: lines.length,
    failed: 0,
  });
}

async function packages(): Promise<readonly { readonly id: string }[]> {
  const text = await data("packages.ndjson");
  return text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { id: string });
}

async function begin(mesh: Mesh, index: string, body: object = {}): Promise<string> {
  const started = await rest<OperationBody>(mesh, `/indexes/${index}:reindex`, { body });
  expect([started.status, started.body.target, started.body.done]).toEqual([202, index, false]);
  expect(started.headers.get("location")).toBe(`/api/v1/operations/${started.body.id}`);
  return started.body.id;
}

async function ended(mesh: Mesh, id: string): Promise<OperationBody> {
  let last: OperationBody | undefined;
  await until(
    async () => {
      const { status, body } = await rest<OperationBody>(mesh, `/operations/${id}`);
      // Nobody answers between the death of a replica and the next.
      if (status === 200) last = body;
      return last?.done === true;
    },
    { what: () => `the operation to end, which is ${JSON.stringify(last)}`, timeoutMs: 60_000 },
  );
  if (last === undefined) throw new Error("no answer");
  expect(last.error).toBeUndefined();
  return last;
}

function search(mesh: Mesh, query: string): ReturnType<typeof rest<SearchBody>> {
  return rest<SearchBody>(mesh, `/search/${query}`);
}

test(
  "indexes are built anew under writes: no search fails or lacks a document, and nothing written is lost",
  { timeout: limitMs },
  async () => {
    await using mesh = await startMesh();
    const lines = await packages();
    await load(mesh, lines);
    const people = await rest<{ created: number }>(mesh, "/users:import", { body: await data("people.ndjson") });
    expect(people.body.created).toBe(287);
    await until(async () => (await search(mesh, "users?pageSize=1")).body.totalHits === 287, {
      what: "the people",
      timeoutMs: 30_000,
    });

    const isOver = { now: false };
    const counts = { searches: 0, documents: 0, users: 0 };
    const reader = async (): Promise<void> => {
      for (; !isOver.now; counts.searches += 1) {
        const [found, users] = await Promise.all([
          search(mesh, `packages?filter=${encodeURIComponent('lang="en" OR lang="de" OR lang="ja" OR lang="zh"')}`),
          search(mesh, "users?q=Nobel"),
        ]);
        expect([found.status, found.body.totalHits]).toEqual([200, lines.length]);
        expect([users.status, users.body.totalHits]).toEqual([200, 2]);
      }
    };
    const writer = async (): Promise<void> => {
      for (; !isOver.now || counts.documents < 20; counts.documents += 1) {
        const id = `new${counts.documents}`;
        const { status, body } = await rest(mesh, "/indexes/packages/documents:bulk", {
          body: JSON.stringify({ id, name: "brand-new", summary: id }),
        });
        expect([status, body]).toMatchObject([200, { indexed: 1 }]);
      }
    };
    const signer = async (): Promise<void> => {
      for (; !isOver.now || counts.users < 10; counts.users += 1) {
        const user = { email: `late${counts.users}@example.org`, name: "Late Comer" };
        expect((await rest(mesh, "/users", { body: user })).status).toBe(201);
      }
    };
    const workers = [reader(), writer(), signer()];
    for (const worker of workers) worker.catch(() => (isOver.now = true));

    const requestId = "once";
    const id = await begin(mesh, "packages", { definition: renewed, requestId });
    const again = await rest<OperationBody>(mesh, "/indexes/packages:reindex", {
      body: { definition: renewed, requestId },
    });
    expect([again.status, again.body.id]).toEqual([202, id]);
    const done = await ended(mesh, id);
    expect(done.processed).toBeGreaterThanOrEqual(lines.length);
    await ended(mesh, await begin(mesh, "users"));
    isOver.now = true;
    await Promise.all(workers);
    expect(counts.searches).toBeGreaterThan(0);

    expect((await rest(mesh, "/indexes/packages")).body).toMatchObject({
      fields: renewed.fields.map(({ name }) => ({ name })),
      documentCount: lines.length + counts.documents,
    });
    await until(
      async () => {
        const { status, body } = await search(mesh, "packages?facets=name&pageSize=1");
        const brandNew = status === 200 ? body.facets["name"]?.find(({ value }) => value === "brand-new") : undefined;
        return brandNew?.count === counts.documents;
      },
      { what: "every document by the new definition", timeoutMs: 30_000 },
    );
    const { body } = await rest<{ suggestions: { text: string }[] }>(
      mesh,
      "/search/packages:suggest?prefix=very%20light",
    );
    expect(body.suggestions.map(({ text }) => text)).toContain("very light window manager");
    await until(async () => (await search(mesh, "users?pageSize=1")).body.totalHits === 287 + counts.users, {
      what: "every user in the index",
      timeoutMs: 30_000,
    });
  },
);

test("what can't be reindexed is refused, and an operation that never was is not found", async () => {
  await using mesh = await startMesh();
  const refused = (path: string, body: object): Promise<unknown> =>
    rest<{ reason: string }>(mesh, path, { body }).then((answer) => [answer.status, answer.body.reason]);
  expect(await refused("/indexes/none:reindex", {})).toEqual([404, "NOT_FOUND"]);
  expect(await refused("/indexes/users:reindex", { definition: packagesIndex })).toEqual([400, "INVALID_ARGUMENT"]);
  const other = { ...packagesIndex, index: "users" };
  expect(await refused("/indexes/users:reindex", { definition: other })).toEqual([400, "FAILED_PRECONDITION"]);
  expect((await rest(mesh, "/operations/none")).status).toBe(404);
  expect((await rest(mesh, "/indexes/users:reindex", { body: {}, token: null })).status).toBe(401);
});

test(
  "kill -9 of the indexer in the middle: another replica ends the operation, and nothing is lost",
  { timeout: limitMs },
  async () => {
    await using mesh = await startMesh({ args: ["--replicas", "indexer=2"] });
    const lines = await packages();
    const many = Array.from({ length: 6 }, (_, copy) => lines.map((line) => ({ ...line, id: `${line.id}.${copy}` })));
    await load(mesh, many.flat());
    const victim = await leader(mesh);
    const id = await begin(mesh, "packages", { definition: renewed });
    await until(async () => (await rest<OperationBody>(mesh, `/operations/${id}`)).body.total > 0, {
      what: "the operation to be under way",
      timeoutMs: 30_000,
    });
    process.kill(victim.pid, "SIGKILL");
    const { status, body } = await rest<OperationBody>(mesh, `/operations/${id}`);
    expect([status, body.done]).toEqual([200, false]);
    const found = await search(mesh, "packages?pageSize=1");
    expect([found.status, found.body.totalHits]).toEqual([200, many.flat().length]);
    const operation = await ended(mesh, id);
    expect(operation.processed).toBe(many.flat().length);
    expect((await rest(mesh, "/indexes/packages")).body).toMatchObject({ documentCount: many.flat().length });
    await until(
      async () => {
        const { status, body } = await search(mesh, "packages?facets=name&pageSize=1");
        return status === 200 && body.totalHits === many.flat().length;
      },
      { what: "the new definition to be searched", timeoutMs: 30_000 },
    );
  },
);

/** The replica of the indexer that does the operations. */
async function leader(mesh: Mesh): Promise<MeshProcess> {
  const folder = join(mesh.dataDir, "logs");
  const texts = await Promise.all((await readdir(folder)).map((name) => readFile(join(folder, name), "utf8")));
  const leading = texts
    .flatMap((text) => text.split("\n"))
    .filter((line) => line.includes('"indexer-operations"') && line.includes('"leading"'))
    .map((line) => (JSON.parse(line) as { instance: string }).instance);
  const found = (await mesh.status()).find(({ instance }) => leading.includes(instance));
  if (found === undefined) throw new Error("nobody leads");
  return found;
}
