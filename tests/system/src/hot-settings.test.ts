import { isDeepStrictEqual } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Mesh, type MeshProcess, runWeft, serviceFile, startBeside, startMesh, until } from "./mesh.ts";
import { Load, summary, warningsSince } from "./outage.ts";
import { type Problem, rest } from "./rest.ts";

const newVersion = "2.0.0";
const stack = new AsyncDisposableStack();
let mesh: Mesh;
let load: Load;
let userId: string;
/** Admin port of the new version. */
let newAdmin: string;
let pids: readonly number[];

beforeAll(async () => {
  mesh = stack.use(await startMesh());
  stack.use(startBeside(mesh, serviceFile("user"), { WEFT_VERSION: newVersion }));
  let users: readonly MeshProcess[] = [];
  const isThere = async (): Promise<boolean> => {
    users = (await mesh.status()).filter(({ service }) => service === "user");
    return users.length === 2 && users.every(({ state }) => state === "ready");
  };
  await until(isThere, { what: () => `both versions of user: ${JSON.stringify(users)}`, timeoutMs: 60_000 });
  // The mesh's own come first.
  newAdmin = users[1]?.admin ?? "";
  const body = { email: "ada@example.org", name: "Ada" };
  userId = (await rest<{ id: string }>(mesh, "/users", { body })).body.id;
  pids = (await mesh.status()).map(({ pid }) => pid);
  // None of what follows may cost a call.
  load = new Load([{ name: "list users", make: () => rest(mesh, "/users?pageSize=1") }]);
  load.start();
});
afterAll(() => stack.disposeAsync());

const limit = { timeout: 120_000 };

test("a canary: calls go by version and header from the moment it is said until it is taken back", limit, async () => {
  await said("calls.user.split", { [newVersion]: 0 });
  await until(async () => (await toNew(20)) === 0, { what: "no call to the new version" });

  const route = { header: "X-Canary", equals: "yes", version: newVersion };
  await said("calls.user.routes", [route]);
  const canary = { "x-canary": "yes" };
  await until(async () => (await toNew(20, canary)) === 20, { what: "calls with the header to go there" });
  await until(async () => (await toNew(20, { "x-canary": "no" })) === 0, { what: "no others to go there" });
  expect(await shown()).toEqual({ routes: [route], split: { [newVersion]: 0 } });

  await said("calls.user.split", { [newVersion]: 25 });
  let share = 0;
  const isQuarter = async (): Promise<boolean> => {
    share = (await toNew(200)) / 200;
    return share > 0.1 && share < 0.45;
  };
  await until(isQuarter, { what: () => `a quarter of the calls at the new version, now ${share}`, timeoutMs: 30_000 });
});

test("how a target is called, and how often", limit, async () => {
  await said("calls.*.retry.maxTries", 1);
  await said("calls.user.balancing", { policy: "round-robin" });
  await until(async () => isDeepStrictEqual((await shown())["retry"], { maxTries: 1 }), { what: "the retries" });
  await until(async () => isDeepStrictEqual((await shown())["balancing"], { policy: "round-robin" }), {
    what: "the policy",
  });
  const { stdout } = await runWeft(["status", "--targets", "user"], mesh.env);
  expect(stdout).toMatch(/^gateway +user +round-robin .*2\.0\.0/m);
  expect(stdout).toMatch(/^gateway +user +retry +\{"maxTries":1\}$/m);

  const search = async () => rest<Problem>(mesh, "/search/users?q=ada");
  expect((await search()).status).toBe(200);
  await said("gateway.limits", { search: { admin: "2/1m" } });
  await until(async () => (await search()).status === 429, { what: "a caller over the new limit" });
  const refused = await search();
  expect(refused).toMatchObject({ status: 429, body: { reason: "RATE_LIMITED" } });
  expect(refused.headers.get("ratelimit-policy")).toContain("q=2;w=60");
  await unsaid("gateway.limits");
  await until(async () => (await search()).status === 200, { what: "the old limit" });
});

test("what is not valid is refused with its reason, and the value before it stays", limit, async () => {
  const before = await shown();
  const bad = `{"${newVersion}":200}`;
  const refused = await runWeft(["config", "set", "calls.user.split", bad], mesh.env);
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining("must be a number from 0 to 100") });

  const since = Date.now();
  const past = await runWeft(["config", "set", "calls.user.split", bad, "--unchecked"], mesh.env);
  expect(past.code).toBe(0);
  const warned = async (): Promise<boolean> =>
    (await warningsSince(mesh, since)).some(
      ({ service, msg }) => service === "gateway" && msg === "a setting is not valid: the last good value stays in use",
    );
  await until(warned, { what: "the gateway to say so" });
  expect(await shown()).toEqual(before);
});

test("what is taken back is as it was, and no process and no call was lost on the way", limit, async () => {
  for (const name of ["split", "routes", "balancing"]) await unsaid(`calls.user.${name}`);
  await unsaid("calls.*.retry.maxTries");
  await until(async () => Object.keys(await shown()).length === 0, { what: "nothing to be said any more" });
  await until(async () => (await toNew(20)) > 0, { what: "calls to the new version without a canary" });
  expect((await mesh.status()).map(({ pid }) => pid)).toEqual(pids);
  await load.end();
  expect(
    load.results.filter(({ status }) => status !== 200),
    JSON.stringify(summary(load.results)),
  ).toEqual([]);
  expect(load.results.length).toBeGreaterThan(20);
});

async function said(name: string, value: unknown): Promise<void> {
  const { code, stderr } = await runWeft(["config", "set", name, JSON.stringify(value)], mesh.env);
  expect([code, stderr]).toEqual([0, ""]);
}

async function unsaid(name: string): Promise<void> {
  const { code, stderr } = await runWeft(["config", "unset", name], mesh.env);
  expect([code, stderr]).toEqual([0, ""]);
}

/** What `weft status` says of how the gateway calls user, beside the defaults. */
async function shown(): Promise<Readonly<Record<string, unknown>>> {
  const { stdout } = await runWeft(["status", "--json"], mesh.env);
  const { processes } = JSON.parse(stdout) as { readonly processes: readonly Shown[] };
  const gateway = processes.find(({ service }) => service === "gateway");
  return gateway?.targets.find(({ target }) => target === "user")?.settings ?? {};
}

interface Shown {
  readonly service: string;
  readonly targets: readonly { readonly target: string; readonly settings: Readonly<Record<string, unknown>> }[];
}

/** Of so many calls, how many the new version answered. */
async function toNew(calls: number, headers: Readonly<Record<string, string>> = {}): Promise<number> {
  const before = await answeredByNew();
  for (let made = 0; made < calls; made += 1) {
    expect((await rest(mesh, `/users/${userId}`, { headers })).status).toBe(200);
  }
  return (await answeredByNew()) - before;
}

/** How many users it has been asked for. */
async function answeredByNew(): Promise<number> {
  const text = await (await fetch(`http://${newAdmin}/metrics`)).text();
  const counts = text.matchAll(/^rpc_server_duration_seconds_count\{.*rpc_method="GetUser".*\} (\d+)$/gm);
  return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
}
