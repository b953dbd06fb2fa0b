import { once } from "node:events";
import { createInterface } from "node:readline";
import { Blocks, openPubSub, openSearch } from "@weft/blocks";
import { readUserEvent, UserCreatedSchema, userTopic } from "@weft/contracts/event";
import type { CloudEvent, PubSub } from "@weft/pubsub";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Mesh, runWeft, spawnWeft, startMesh, until } from "./mesh.ts";
import { rest } from "./rest.ts";

/** Longest wait for something to come about. */
const timeoutMs = 30_000;
const topic = userTopic.name;

const stack = new AsyncDisposableStack();
let mesh: Mesh;
let pubsub: PubSub;
const ids = new Map<string, string>();

beforeAll(async () => {
  mesh = stack.use(await startMesh());
  pubsub = await openPubSub(blocks());
  for (const name of ["ada", "bob", "eve"]) {
    const { body } = await rest<{ id: string }>(mesh, "/users", { body: { email: `${name}@example.org`, name } });
    ids.set(name, body.id);
  }
  expect((await rest(mesh, `/users/${idOf("bob")}`, { method: "DELETE" })).status).toBe(204);
  await published(4);
  await settled();
});
afterAll(() => stack.disposeAsync());

/** The blocks of the mesh, as one more process has them. */
function blocks(): Blocks {
  return new Blocks({ dataDir: mesh.dataDir, urls: mesh.urls, stack });
}

function idOf(name: string): string {
  return ids.get(name) ?? "";
}

async function weft<Line>(...args: string[]): Promise<Line[]> {
  const { code, stdout, stderr } = await runWeft(["events", ...args, "--json"], mesh.env);
  if (code !== 0) throw new Error(`weft events ${args.join(" ")} ended with ${code}: ${stderr}`);
  const lines = stdout.split("\n").filter((line) => line !== "");
  return lines.map((line) => JSON.parse(line) as Line);
}

/** So many events stand on the topic. */
async function published(count: number): Promise<void> {
  let events: RegExpMatchArray | null = null;
  await until(
    async () => {
      events = String((await rest(mesh, `/topics/${topic}:tail`)).body).match(/^event: event$/gm);
      return events?.length === count;
    },
    { what: () => `${count} events on the topic, now ${events?.length}`, timeoutMs },
  );
}

interface Lag {
  readonly group: string;
  readonly lag: string;
  readonly waiting: string;
}

/** The consumers of the mesh have taken in what there is, and nothing of it waits. */
async function settled(): Promise<void> {
  let lags: readonly Lag[] = [];
  await until(
    async () => {
      const { body } = await rest<{ groups?: readonly Lag[] }>(mesh, "/topics:lag");
      lags = (body.groups ?? []).filter(({ group }) => group === "indexer" || group === "notification");
      return lags.length === 2 && lags.every(({ lag, waiting }) => lag === "0" && waiting === "0");
    },
    { what: () => `no lag, now ${JSON.stringify(lags)}`, timeoutMs },
  );
}

/** Names of the documents in the index of users. */
async function indexed(): Promise<readonly string[]> {
  const { status, body } = await rest<string>(mesh, "/search/users:export?q=");
  if (status !== 200) throw new Error(`exporting answered ${status}`);
  const lines = body.split("\n").filter((line) => line !== "");
  return lines.map((line) => (JSON.parse(line) as { name: string }).name).sort();
}

/** Types of what is in somebody's inbox. */
async function welcomes(name: string): Promise<readonly string[]> {
  const { body } = await rest<{ notifications: { type: string }[] }>(mesh, `/notifications?userId=${idOf(name)}`);
  return body.notifications.map(({ type }) => type);
}

/** Those who live are in the index and were welcomed once; who was deleted is nowhere. */
async function allIsWell(): Promise<void> {
  let names: readonly string[] = [];
  await until(
    async () => {
      names = await indexed();
      return names.length === 2;
    },
    { what: () => `two users in the index, now ${names.join(", ")}`, timeoutMs },
  );
  expect(names).toEqual(["ada", "eve"]);
  for (const name of ["ada", "eve"]) expect(await welcomes(name), name).toEqual(["welcome"]);
  expect((await rest(mesh, `/notifications?userId=${idOf("bob")}`)).body).toMatchObject({ notifications: [] });
}

/** Takes everything out of the index of users, behind the indexer's back. */
async function emptyIndex(): Promise<void> {
  const engine = await openSearch(blocks());
  const { definition } = await engine.getIndex("users");
  await engine.deleteIndex("users");
  await engine.createIndex(definition);
}

test("the tail of a topic tells what happened, in order for each user, with what it says", async () => {
  interface Line {
    readonly key: string;
    readonly type: string;
    readonly version: number;
    readonly traceparent: string;
    readonly data: { readonly user?: { readonly name: string } };
  }
  const lines = await weft<Line>("tail", topic, "--from", "1h");
  expect(lines.map(({ type }) => type).sort()).toEqual([
    ...["weft.event.v1.UserCreated", "weft.event.v1.UserCreated", "weft.event.v1.UserCreated"],
    "weft.event.v1.UserDeleted",
  ]);
  const ofBob = lines.filter(({ key }) => key === idOf("bob"));
  expect(ofBob.map(({ version }) => version)).toEqual([1, 2]);
  expect(ofBob[0]).toMatchObject({ data: { user: { name: "bob" } }, traceparent: expect.stringMatching(/^00-/) });
  expect(await weft("tail", "--key", idOf("ada"), "--type", "UserCreated")).toHaveLength(1);
  expect(await weft("tail", "--from", "2999-01-01T00:00:00Z")).toEqual([]);
});

test("a tail that follows shows what comes, and ends well with Ctrl-C", async () => {
  const child = spawnWeft(["events", "tail", "-f", "--from", "earliest", "--json"], mesh.env);
  const seen: string[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => seen.push(line));
  const ended = once(child, "exit");
  await until(() => seen.length === 4, { what: () => `four events, now ${seen.join("\n")}`, timeoutMs });
  const patch = { method: "PATCH", body: { bio: "countess" } };
  expect((await rest(mesh, `/users/${idOf("ada")}`, patch)).status).toBe(200);
  await until(() => seen.length === 5, { what: "the update", timeoutMs });
  expect(JSON.parse(seen[4] ?? "")).toMatchObject({
    type: "weft.event.v1.UserUpdated",
    data: { user: { bio: "countess" } },
  });
  child.kill("SIGINT");
  expect((await ended)[0]).toBe(0);
});

test("replaying the whole topic changes nothing: nobody is welcomed again, or comes back", async () => {
  await settled();
  expect(await weft("lag", "indexer")).toMatchObject([{ group: "indexer", topic, lag: 0, waiting: 0, dead: 0 }]);
  for (const group of ["notification", "indexer"]) {
    const [{ replayed } = { replayed: 0 }] = await weft<{ replayed: number }>(
      "replay",
      "--group",
      group,
      "--from",
      "earliest",
    );
    expect(replayed).toBe(5);
  }
  await settled();
  await allIsWell();
});

test(
  "an index that lost everything is filled again from the log, and from the owner, while the mesh runs",
  { timeout: 120_000 },
  async () => {
    await emptyIndex();
    expect(await weft("replay", "--group", "indexer", "--from", "1d")).toEqual([{ replayed: 5 }]);
    await settled();
    await allIsWell();

    await emptyIndex();
    expect(await weft("republish", "users")).toEqual([{ republished: 2 }]);
    await allIsWell();
    // For whoever has them already, nothing happened.
    expect(await weft("republish", "users")).toEqual([{ republished: 2 }]);
    await until(async () => (await weft("tail", "--type", "UserUpdated")).length === 5, {
      what: "the events",
      timeoutMs,
    });
    await settled();
    await allIsWell();
  },
);

test("what a consumer gave up is seen with why, and delivered again once it can be handled", async () => {
  const group = "auditor";
  let canRead = false;
  const handled: CloudEvent[] = [];
  const handle = async ({ event }: { readonly event: CloudEvent }): Promise<void> => {
    if (!canRead) readUserEvent(event);
    handled.push(event);
  };
  const failure = { immediateAttempts: 2, retryDelaysMs: [] };
  await using _auditor = await pubsub.subscribe({ group, topics: [topic], handle, failure });
  const poison: CloudEvent = {
    id: "poison",
    source: "/test",
    type: UserCreatedSchema.typeName,
    time: Date.now(),
    dataContentType: "application/protobuf",
    data: Uint8Array.of(0xff, 0xff),
    extensions: {},
  };
  await pubsub.publish(topic, [{ key: "poisoned", event: poison }]);

  const letters = (): Promise<object[]> => weft("dead-letters", "--group", group, "--reason", "INVALID_ARGUMENT");
  await until(async () => (await pubsub.deadLetters({ topic, group })).length === 1, {
    what: "it is given up",
    timeoutMs,
  });
  expect(await letters()).toMatchObject([
    {
      ...{ group, reason: "INVALID_ARGUMENT", detail: "the payload is no weft.event.v1.UserCreated", attempts: 2 },
      event: { id: "poison", topic, key: "poisoned", dataBase64: "//8=" },
    },
  ]);
  expect(await weft("lag", group)).toMatchObject([{ group, topic, dead: 1 }]);

  canRead = true;
  expect(await weft("redrive", "--group", group, "--event", "poison")).toEqual([{ redriven: 1 }]);
  await until(() => handled.some(({ id }) => id === "poison"), { what: "the event again", timeoutMs });
  expect(await letters()).toEqual([]);
  await allIsWell();
});

test("the same is there over REST, for administrators", async () => {
  expect((await rest(mesh, "/topics")).body).toMatchObject({ topics: [{ topic, partitions: userTopic.partitions }] });
  const tail = await rest<string>(mesh, `/topics/${topic}:tail?key=${idOf("bob")}`);
  expect(tail.headers.get("content-type")).toContain("text/event-stream");
  expect(tail.body.match(/^event: event$/gm)).toHaveLength(2);
  expect((await rest(mesh, "/topics:lag?group=indexer")).body).toMatchObject({ groups: [{ group: "indexer", topic }] });
  expect((await rest(mesh, "/dead-letters?group=indexer")).status).toBe(200);
  const body = { group: "indexer", from: "1970-01-01T00:00:00Z", key: idOf("ada") };
  expect((await rest(mesh, `/topics/${topic}:replay`, { body })).status).toBe(200);
  expect((await rest(mesh, "/dead-letters:redrive", { body: { topic, group: "indexer" } })).body).toEqual({
    redriven: 0,
  });
  expect((await rest(mesh, "/topics", { token: null })).status).toBe(401);
  expect((await rest(mesh, "/topics/nothing:tail")).body).toMatchObject({ reason: "NOT_FOUND" });
});
