import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { Blocks, openDiscovery } from "@weft/blocks";
import { type Client, createClient, openTransport } from "@weft/rpc";
import { Health, HealthCheckResponse_ServingStatus as Serving } from "@weft/contracts/grpc";
import { IndexerService } from "@weft/contracts/indexer";
import { NotificationService } from "@weft/contracts/notification";
import { SearchService } from "@weft/contracts/search";
import { AuthService, UserService } from "@weft/contracts/user";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Mesh, startMesh, until } from "./mesh.ts";
import { rest } from "./rest.ts";

const stack = new AsyncDisposableStack();
let mesh: Mesh;
let users: Client<typeof UserService>;
let auth: Client<typeof AuthService>;
let indexes: Client<typeof IndexerService>;
let searches: Client<typeof SearchService>;
let notifications: Client<typeof NotificationService>;
let admin: { readonly authorization: string };

beforeAll(async () => {
  mesh = stack.use(await startMesh({ env: { WEFT_LOG_LEVEL: "debug" } }));
  const discovery = await openDiscovery(new Blocks({ dataDir: mesh.dataDir, urls: mesh.urls, stack }));
  const to = (target: string) => stack.use(openTransport({ target, discovery }));
  const user = to("user");
  users = createClient(UserService, user);
  auth = createClient(AuthService, user);
  indexes = createClient(IndexerService, to("indexer"));
  searches = createClient(SearchService, to("search"));
  notifications = createClient(NotificationService, to("notification"));
  admin = { authorization: `Bearer ${mesh.token}` };
});
afterAll(() => stack.disposeAsync());

/** Signs somebody up and in. */
async function signUp(name: string): Promise<{ readonly id: string; readonly authorization: string }> {
  const [email, password] = [`${name}@example.org`, "correct horse"];
  const { user } = await users.createUser({ user: { email, name, password } });
  const { accessToken } = await auth.login({ email, password });
  return { id: user?.id ?? "", authorization: `Bearer ${accessToken}` };
}

async function reasonOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => "fine",
    (error: { readonly reason: string }) => error.reason,
  );
}

async function* none(): AsyncGenerator<never> {}

test("a typed client finds the services by their names, and every server tells its health", async () => {
  const { id, authorization } = await signUp("ada");
  expect((await users.getUser({ id }, { authorization })).user).toMatchObject({ name: "ada" });
  await until(async () => (await searches.search({ index: "users", q: "ada" }, admin)).totalHits === 1, {
    what: "ada in the index",
  });
  for (const { grpc } of await mesh.status()) {
    await using transport = openTransport({ address: grpc });
    expect(await createClient(Health, transport).check({})).toMatchObject({ status: Serving.SERVING });
  }
});

test("a call ends at its deadline, and is given up with its signal", async () => {
  const login = { email: "nobody@example.org", password: "takes a hash to refuse" };
  expect(await reasonOf(auth.login(login, { timeoutMs: 3 }))).toBe("DEADLINE_EXCEEDED");
  const gone = AbortSignal.abort(new Error("changed my mind"));
  expect(await reasonOf(auth.login(login, { signal: gone }))).toBe("CANCELLED");
  expect(await reasonOf(auth.login(login))).toBe("BAD_CREDENTIALS");
});

test("nobody reaches what is not theirs, by whatever method, with an empty stream neither", async () => {
  const [eve, bob] = [await signUp("eve"), await signUp("bob")];
  const { id: userId } = bob;
  const own = { authorization: eve.authorization };
  await until(async () => (await notifications.list({ userId }, admin)).notifications.length === 1, {
    what: "bob's welcome",
  });
  const calls: readonly [call: Promise<unknown>, reason: string][] = [
    [users.updateUser({ id: userId, user: { name: "Eve's" } }, own), "PERMISSION_DENIED"],
    [users.deleteUser({ id: userId }, own), "PERMISSION_DENIED"],
    [users.updateUser({ id: "", user: { name: "Eve's" } }, own), "INVALID_ARGUMENT"],
    [users.deleteUser({ id: "" }, own), "INVALID_ARGUMENT"],
    [users.importUsers(none(), own), "PERMISSION_DENIED"],
    [users.importUsers(none()), "UNAUTHENTICATED"],
    [indexes.bulkIndex(none(), own), "PERMISSION_DENIED"],
    [indexes.createIndex({ definition: { index: "eves" } }, own), "PERMISSION_DENIED"],
    [indexes.deleteIndex({ index: "users" }, own), "PERMISSION_DENIED"],
    [indexes.deleteDocument({ index: "users", id: userId }, own), "PERMISSION_DENIED"],
    [notifications.send({ userId, title: "hello" }, own), "PERMISSION_DENIED"],
    [notifications.list({ userId }, own), "PERMISSION_DENIED"],
    [notifications.get({ id: `welcome-${userId}` }, own), "NOT_FOUND"],
    [notifications.markRead({ id: `welcome-${userId}` }, own), "NOT_FOUND"],
    [notifications.getPreferences({ userId }, own), "PERMISSION_DENIED"],
    [notifications.updatePreferences({ userId, preferences: {} }, own), "PERMISSION_DENIED"],
    [Array.fromAsync(notifications.watch({ userId }, own)), "PERMISSION_DENIED"],
    [searches.searchLogs({}, own), "PERMISSION_DENIED"],
    [searches.searchLogs({}, admin), "UNIMPLEMENTED"],
  ];
  expect(await Promise.all(calls.map(([call]) => reasonOf(call)))).toEqual(calls.map(([, reason]) => reason));
  expect((await users.getUser({ id: userId }, own)).user).toMatchObject({ name: "bob" });
});

test("one trace goes from the gateway through the outbox to everybody who hears of the event", async () => {
  const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
  const callers = "00f067aa0ba902b7";
  const { headers } = await rest(mesh, "/users", {
    body: { email: "traced@example.org", name: "Traced" },
    headers: { traceparent: `00-${traceId}-${callers}-01` },
  });
  expect(headers.get("x-trace-id")).toBe(traceId);
  let spans: Record<string, string> = {};
  await until(
    async () => {
      spans = await spansOf(traceId);
      return Object.keys(spans).length === 3;
    },
    { what: () => `three services to log the trace, now ${JSON.stringify(spans)}` },
  );
  expect(Object.keys(spans).sort()).toEqual(["indexer event", "notification event", "user call"]);
  expect(new Set([callers, ...Object.values(spans)]).size).toBe(4);
});

/** The span of each kind of line that belongs to a trace, by service and message. */
async function spansOf(traceId: string): Promise<Record<string, string>> {
  const folder = join(mesh.dataDir, "logs");
  const texts = await Promise.all((await readdir(folder)).map((name) => readFile(join(folder, name), "utf8")));
  const lines = texts
    .flatMap((text) => text.split("\n"))
    .filter((line) => line.includes(`"trace_id":"${traceId}"`))
    .map((line) => JSON.parse(line) as { service: string; msg: string; span_id: string });
  return Object.fromEntries(lines.map(({ service, msg, span_id }) => [`${service} ${msg}`, span_id]));
}
