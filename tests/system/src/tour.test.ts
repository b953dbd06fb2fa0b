import { afterAll, beforeAll, expect, test } from "vitest";
import { type Mesh, runWeft, startMesh, until } from "./mesh.ts";
import { packagesIndex } from "./packages-index.ts";
import { data, rest } from "./rest.ts";

interface User {
  readonly id: string;
  readonly name: string;
  readonly email: string;
}
interface Page {
  readonly hits: readonly {
    readonly id: string;
    readonly document: Record<string, unknown>;
    readonly highlights: Record<string, string[]>;
  }[];
  readonly totalHits: number;
  readonly facets: Record<string, readonly { readonly value: string; readonly count: number }[]>;
  readonly nextPageToken: string;
}

let mesh: Mesh;
let people: readonly { email: string; name: string; location?: string; tags?: string[] }[];
beforeAll(async () => {
  people = (await data("people.ndjson"))
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as (typeof people)[number]);
  mesh = await startMesh();
});
afterAll(() => mesh?.[Symbol.asyncDispose]());

async function search(query: string): Promise<Page> {
  const { status, body } = await rest<Page>(mesh, `/search/${query}`);
  expect(status).toBe(200);
  return body;
}

async function allUsers(): Promise<User[]> {
  const users: User[] = [];
  let pageToken = "";
  do {
    const { body } = await rest<{ users: User[]; nextPageToken: string }>(
      mesh,
      `/users?pageSize=100&pageToken=${encodeURIComponent(pageToken)}`,
    );
    users.push(...body.users);
    pageToken = body.nextPageToken;
  } while (pageToken !== "");
  return users;
}

test("people are imported once, however often they are posted", async () => {
  const text = await data("people.ndjson");
  const first = await rest(mesh, "/users:import", { body: text });
  expect(first).toMatchObject({ status: 200, body: { created: 287, skipped: 0, failed: 0, errors: [] } });
  const second = await rest(mesh, "/users:import", { body: text });
  expect(second).toMatchObject({ status: 200, body: { created: 0, skipped: 287, failed: 0 } });
  expect((await allUsers()).length).toBe(287);
});

test("a search finds them, with facets counted over all", async () => {
  await until(async () => (await search("users?q=")).totalHits === 287, {
    what: "287 people in the index",
    timeoutMs: 30_000,
  });
  const laureates = await search("users?q=Nobel&highlight=true");
  const expected = (await data("people.ndjson")).split("\n").filter((line) => line.includes("Nobel"));
  expect(laureates.totalHits).toBe(expected.length);
  for (const { highlights } of laureates.hits) expect(JSON.stringify(highlights)).toContain("<em>Nobel</em>");

  const { facets } = await search("users?facets=location,tags&pageSize=1");
  const counts = (values: readonly string[]): Map<string, number> => {
    const map = new Map<string, number>();
    for (const value of values) map.set(value, (map.get(value) ?? 0) + 1);
    return map;
  };
  const tags = counts(people.flatMap((person) => person.tags ?? []));
  expect(facets["tags"]?.length).toBe(Math.min(100, tags.size));
  for (const { value, count } of facets["tags"] ?? []) expect(count, value).toBe(tags.get(value));
  const locations = counts(people.flatMap((person) => person.location ?? []));
  expect(new Map(facets["location"]?.map(({ value, count }) => [value, count]))).toEqual(locations);
});

test("each person is welcomed once", async () => {
  for (const { id } of await allUsers()) {
    const { body } = await rest<{ notifications: { type: string }[] }>(mesh, `/notifications?userId=${id}`);
    expect(body.notifications.map(({ type }) => type)).toEqual(["welcome"]);
  }
});

test("a person who is deleted leaves the search and the inbox", async () => {
  const [tesla] = (await allUsers()).filter(({ name }) => name === "Nikola Tesla");
  if (tesla === undefined) throw new Error("no Tesla");
  expect((await rest(mesh, `/users/${tesla.id}`, { method: "DELETE" })).status).toBe(204);
  expect((await rest(mesh, `/users/${tesla.id}`)).status).toBe(404);
  await until(async () => (await search("users?q=Tesla")).totalHits === 0, { what: "Tesla to leave the index" });
  await until(
    async () => {
      const { body } = await rest<{ notifications: unknown[] }>(mesh, `/notifications?userId=${tesla.id}`);
      return body.notifications.length === 0;
    },
    { what: "the inbox to be emptied" },
  );
});

test("documents go in through a bulk load and are found in four languages", async () => {
  expect((await rest(mesh, "/indexes", { body: packagesIndex })).status).toBe(201);
  const text = await data("packages.ndjson");
  const lines = text.trim().split("\n").length;
  const { status, body } = await rest(mesh, "/indexes/packages/documents:bulk", { body: text });
  expect({ status, body }).toMatchObject({ status: 200, body: { indexed: lines, failed: 0, errors: [] } });
  const found = async (q: string): Promise<string[]> =>
    (await search(`packages?q=${encodeURIComponent(q)}&pageSize=200`)).hits.map(({ id }) => id);
  expect(await found("编译器")).toContain("g++.zh");
  expect(await found("コンパイラ")).toContain("g++.ja");
  expect(await found("Compiler")).toEqual(expect.arrayContaining(["g++.en", "g++.de"]));
  expect(await found("g++")).toEqual(expect.arrayContaining(["g++.zh", "g++.ja", "g++.en", "g++.de"]));

  const filtered = await search(`packages?filter=${encodeURIComponent('lang="zh" AND installedKiB>100')}&pageSize=200`);
  const expected = text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { id: string; lang: string; installedKiB: number })
    .filter(({ lang, installedKiB }) => lang === "zh" && installedKiB > 100);
  expect(filtered.hits.map(({ id }) => id).sort()).toEqual(expected.map(({ id }) => id).sort());

  const suggested = await rest<{ suggestions: { text: string }[] }>(mesh, "/search/packages:suggest?prefix=g%2B");
  expect(suggested.body.suggestions.map(({ text: name }) => name)).toContain("g++");

  const ids: string[] = [];
  let pageToken = "";
  do {
    const page = await search(
      `packages?sort=installedKiB%20desc&pageSize=100&pageToken=${encodeURIComponent(pageToken)}`,
    );
    ids.push(...page.hits.map(({ id }) => id));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  expect(ids.length).toBe(lines);
  expect(new Set(ids).size).toBe(lines);

  const { body: exported } = await rest<string>(mesh, "/search/packages:export?q=");
  expect(exported.trim().split("\n").length).toBe(lines);
});

test("somebody signs up, logs in, and sees their own things only", async () => {
  const created = await rest<User>(mesh, "/users", {
    token: null,
    body: { email: "ada@example.org", name: "Ada Lovelace", password: "correct horse", bio: "first programmer" },
  });
  expect(created.status).toBe(201);
  expect(created.headers.get("location")).toBe(`/api/v1/users/${created.body.id}`);
  const again = await rest(mesh, "/users", { token: null, body: { email: "ADA@example.org", name: "Another" } });
  expect(again).toMatchObject({ status: 409, body: { code: "ALREADY_EXISTS" } });

  const login = await rest<{ accessToken: string; refreshToken: string }>(mesh, "/auth:login", {
    token: null,
    body: { email: "ada@example.org", password: "correct horse" },
  });
  expect(login.status).toBe(200);
  const token = login.body.accessToken;
  const wrong = await rest(mesh, "/auth:login", {
    token: null,
    body: { email: "ada@example.org", password: "wrong horse" },
  });
  expect(wrong).toMatchObject({ status: 401, body: { reason: "BAD_CREDENTIALS" } });

  expect((await rest(mesh, `/users/${created.body.id}`, { token: null })).status).toBe(401);
  const own = await rest<User & { bio: string }>(mesh, `/users/${created.body.id}`, { token });
  expect(own.status).toBe(200);
  const etag = own.headers.get("etag") ?? "";
  const unchanged = await rest(mesh, `/users/${created.body.id}`, { token, headers: { "if-none-match": etag } });
  expect(unchanged.status).toBe(304);

  const patched = await rest<User & { bio: string; location: string }>(
    mesh,
    `/users/${created.body.id}?updateMask=location`,
    {
      method: "PATCH",
      token,
      headers: { "if-match": etag },
      body: { location: "London", bio: "not in the mask" },
    },
  );
  expect(patched).toMatchObject({ status: 200, body: { location: "London", bio: "first programmer" } });
  const stale = await rest(mesh, `/users/${created.body.id}`, {
    method: "PATCH",
    token,
    headers: { "if-match": etag },
    body: { location: "Paris" },
  });
  expect(stale.status).toBe(412);

  const [other] = (await allUsers()).filter(({ id }) => id !== created.body.id);
  expect((await rest(mesh, `/users/${other?.id}`, { method: "DELETE", token })).status).toBe(403);
  expect(own.body.email).toBe("ada@example.org");
  const seen = await rest<User>(mesh, `/users/${other?.id}`, { token });
  expect(seen.body).toMatchObject({ name: other?.name, email: "" });
  const page = await rest<{ users: User[] }>(
    mesh,
    `/users?filter=${encodeURIComponent("NOT name=Nobody")}&pageSize=50`,
    { token },
  );
  expect(page.body.users.filter(({ email }) => email !== "" && email !== "ada@example.org")).toEqual([]);
  for (const query of ["filter=NOT email:x", "filter=(name=A OR email:ada)", "orderBy=email desc"]) {
    const refused = await rest(mesh, `/users?${query.replaceAll(" ", "%20")}`, { token });
    expect(refused, query).toMatchObject({ status: 400, body: { reason: "INVALID_FILTER" } });
  }
  expect((await rest(mesh, `/notifications?userId=${other?.id}`, { token })).status).toBe(403);
  expect((await rest(mesh, "/users:import", { token, body: "{}" })).status).toBe(403);
  // Not built yet, and not for everybody either.
  expect((await rest(mesh, "/logs", { token })).status).toBe(403);

  await until(
    async () => {
      const { body } = await rest<{ notifications: unknown[] }>(mesh, "/notifications", { token });
      return body.notifications.length === 1;
    },
    { what: "Ada's welcome" },
  );

  const refreshed = await rest<{ refreshToken: string }>(mesh, "/auth:refresh", {
    token: null,
    body: { refreshToken: login.body.refreshToken },
  });
  expect(refreshed.status).toBe(200);
  const reused = await rest(mesh, "/auth:refresh", { token: null, body: { refreshToken: login.body.refreshToken } });
  expect(reused.status).toBe(401);
  const jwks = await rest<{ keys: { kty: string; crv: string }[] }>(mesh, "//.well-known/jwks.json", { token: null });
  expect(jwks.body.keys[0]).toMatchObject({ kty: "OKP", crv: "Ed25519" });
});

test("a new notification reaches a watcher, who can resume", async () => {
  const [user] = await allUsers();
  const watch = async (lastEventId: string, count: number): Promise<string[]> => {
    const stop = new AbortController();
    const response = await fetch(`${mesh.url}/api/v1/notifications:watch?userId=${user?.id}`, {
      headers: {
        authorization: `Bearer ${mesh.token}`,
        accept: "text/event-stream",
        ...(lastEventId === "" ? {} : { "last-event-id": lastEventId }),
      },
      signal: AbortSignal.any([stop.signal, AbortSignal.timeout(20_000)]),
    });
    expect(response.headers.get("content-type")).toContain("text/event-stream");
    opened.resolve();
    let text = "";
    for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      text += chunk;
      const events = text.split("\n\n").filter((event) => event.includes("data:") && event.includes("id:"));
      if (events.length >= count && text.endsWith("\n\n")) {
        stop.abort();
        return events;
      }
    }
    throw new Error(`the stream ended after: ${text}`);
  };
  const send = (title: string): Promise<{ status: number }> =>
    rest(mesh, "/notifications", { body: { userId: user?.id, title, body: "hello" } });
  let opened = Promise.withResolvers<void>();
  const first = watch("", 1);
  await opened.promise;
  expect((await send("one")).status).toBe(201);
  const [event] = await first;
  expect(event).toContain('"title":"one"');
  const id = /^id: ?(.+)$/m.exec(event ?? "")?.[1] ?? "";
  await send("two");
  await send("three");
  opened = Promise.withResolvers<void>();
  const missed = await watch(id, 2);
  expect(missed.join()).toMatch(/"title":"two".*"title":"three"/s);
});

test("every answer carries a trace, and a caller's trace goes on", async () => {
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const { headers } = await rest(mesh, "/users?pageSize=1", { headers: { traceparent } });
  expect(`${headers.get("traceparent")} ${headers.get("x-trace-id")}`).toContain("0af7651916cd43dd8448eb211c80319c");
});

test("an idempotency key makes a repeated sign-up answer with the same user", async () => {
  const create = (name: string): ReturnType<typeof rest<User>> =>
    rest<User>(mesh, "/users", {
      body: { email: "grace@example.org", name },
      headers: { "idempotency-key": "sign-up-1" },
    });
  const [one, two] = [await create("Grace Hopper"), await create("Grace Hopper")];
  expect([one.status, two.status, two.body.id]).toEqual([201, 201, one.body.id]);
  expect((await create("Somebody Else")).status).toBe(422);
});

test("the envelope, the contract page and what isn't built yet", async () => {
  const envelope = await rest(mesh, "/users?pageSize=1", { headers: { accept: "application/vnd.weft.envelope+json" } });
  expect(envelope.body).toMatchObject({ message: expect.any(String), data: { users: expect.any(Array) } });
  const openapi = await rest<{ openapi: string; paths: object }>(mesh, "//openapi.json", { token: null });
  expect(openapi.body.openapi).toMatch(/^3\.1/);
  expect(Object.keys(openapi.body.paths)).toContain("/api/v1/users/{id}");
  expect((await rest<string>(mesh, "//docs", { token: null, headers: { accept: "text/html" } })).status).toBeLessThan(
    400,
  );
  expect(await rest(mesh, "/logs")).toMatchObject({ status: 501, body: { code: "UNIMPLEMENTED" } });
});

test("the command line sees the mesh and calls it", async () => {
  const { env } = mesh;
  const processes = await mesh.status();
  expect(processes.map(({ service, state }) => `${service} ${state}`).sort()).toEqual(
    ["gateway", "indexer", "notification", "search", "user"].map((name) => `${name} ready`),
  );
  const [user] = await allUsers();
  const called = await runWeft(
    ["call", "user.v1.UserService/GetUser", JSON.stringify({ id: user?.id }), "--json"],
    env,
  );
  expect(called.code, called.stderr).toBe(0);
  expect(JSON.parse(called.stdout)).toMatchObject({ user: { id: user?.id } });
  const failed = await runWeft(["call", "user.v1.UserService/GetUser", '{"id":"nobody"}'], env);
  expect(failed).toMatchObject({ code: 1, stderr: expect.stringContaining("NOT_FOUND") });
  const logs = await runWeft(["logs", "user", "-n", "5", "--json"], env);
  expect(logs.code).toBe(0);
});
