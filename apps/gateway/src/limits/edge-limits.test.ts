import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NotificationService } from "@weft/contracts/notification";
import { SearchService } from "@weft/contracts/search";
import { AuthService, UserService } from "@weft/contracts/user";
import { ManualClock, WeftError } from "@weft/kit";
import type { Decision } from "@weft/resilience";
import type { Principal, TokenVerifier } from "@weft/security";
import { boundedStore, type CacheStore, type StateStore } from "@weft/state";
import { openEmbeddedState } from "@weft/state-embedded";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openTestEdge, type TestEdge } from "../testing/edge.ts";
import type { LimitsConfig } from "./config.ts";
import { EdgeLimits } from "./edge-limits.ts";

/** Tokens are `a.<subject>.<anything>`; those of `admin` are the administrator's, and `bad` ones are nobody's. */
class TestTokens implements TokenVerifier {
  verified = 0;
  /** Fails every verification, as when the keys can't be had. */
  failure: WeftError | undefined;

  async verify(authorization: string | undefined): Promise<Principal> {
    this.verified += 1;
    const subject = authorization?.split(".")[1] ?? "bad";
    if (this.failure !== undefined) throw this.failure;
    if (subject === "bad") throw new WeftError("UNAUTHENTICATED", "not a token of ours");
    return { subject, roles: subject === "admin" ? ["admin"] : [] };
  }
}

let dataDir: string;
let clock: ManualClock;
let tokens: TestTokens;
let told: Decision[];
let open: AsyncDisposableStack;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "weft-edge-limits-"));
  clock = new ManualClock();
  tokens = new TestTokens();
  told = [];
  open = new AsyncDisposableStack();
  open.defer(() => rm(dataDir, { recursive: true, force: true }));
});
afterEach(() => open.disposeAsync());

interface Gateway extends TestEdge {
  readonly limits: EdgeLimits;
}

/** A replica of the gateway; all share the state of one data folder. */
async function openGateway(limits: LimitsConfig, trustedProxies: readonly string[] = []): Promise<Gateway> {
  const state: StateStore = open.use(await openEmbeddedState({ dataDir, name: "limits", clock }));
  return openWith(
    boundedStore(async () => state),
    { limits, trustedProxies },
  );
}

async function openWith(
  store: CacheStore,
  settings: { readonly limits: LimitsConfig; readonly trustedProxies: readonly string[] },
): Promise<Gateway> {
  const onDecision = (decision: Decision): void => void told.push(decision);
  const limits = new EdgeLimits({ settings, service: "gateway", store, tokens, clock, onDecision });
  const edge = open.use(await openTestEdge({}, { limits: () => limits }));
  edge.fake
    .on(UserService.method.getUser, ({ id }) => ({ user: { id, etag: "v1" } }))
    .on(UserService.method.deleteUser, () => ({}))
    .on(AuthService.method.login, () => ({ accessToken: "t" }))
    .on(SearchService.method.search, () => ({}))
    .on(NotificationService.method.watch, async function* () {
      yield { eventId: "1" };
    });
  return { ...edge, limits };
}

const bearer = (subject: string, rest = "x"): { authorization: string } => ({
  authorization: `Bearer a.${subject}.${rest}`,
});

const get = (
  gateway: TestEdge,
  headers: Record<string, string> = bearer("ada"),
  path = "/users/u1",
): Promise<Response> => fetch(`${gateway.url}/api/v1${path}`, { headers });

const login = (gateway: TestEdge, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`${gateway.url}/api/v1/auth:login`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({ email: "ada@example.org", password: "long enough" }),
  });

/** How many of so many calls are not refused, one after the other. */
async function admitted(calls: number, call: () => Promise<Response>): Promise<number> {
  let count = 0;
  for (let n = 0; n < calls; n += 1) if ((await call()).status !== 429) count += 1;
  return count;
}

describe("rate limits at the edge", () => {
  test("every answer tells what is left, whatever it is", async () => {
    const gateway = await openGateway({
      read: { user: "100/10s" },
      write: { user: "9/3s" },
      stream: { user: "5/1s" },
      search: { user: "off" },
    });
    const first = await get(gateway);
    expect([first.headers.get("ratelimit-policy"), first.headers.get("ratelimit")]).toEqual([
      '"read-user";q=100;w=10',
      '"read-user";r=99;t=1',
    ]);
    const known = await get(gateway, { ...bearer("ada"), "if-none-match": '"v1"' });
    expect([known.status, known.headers.get("ratelimit")]).toEqual([304, '"read-user";r=98;t=1']);
    const missing = await get(gateway, bearer("ada"), "/indexes");
    expect([missing.status, missing.headers.get("ratelimit")]).toEqual([501, '"read-user";r=97;t=1']);
    const gone = await fetch(`${gateway.url}/api/v1/users/u1`, { method: "DELETE", headers: bearer("ada") });
    expect([gone.status, gone.headers.get("ratelimit-policy")]).toEqual([204, '"write-user";q=9;w=3']);
    const events = await get(gateway, bearer("ada"), "/notifications:watch");
    expect([events.status, events.headers.get("ratelimit")]).toEqual([200, '"stream-user";r=4;t=1']);
    const search = await get(gateway, bearer("ada"), "/search/users?q=x");
    expect([search.status, search.headers.get("ratelimit")]).toEqual([200, null]);
    await clock.advance(200);
    expect((await get(gateway)).headers.get("ratelimit")).toBe('"read-user";r=98;t=1');
  });

  test("beyond it is 429 with the reason and when to come back, and then it goes on", async () => {
    const gateway = await openGateway({ read: { user: "3/6s" } });
    expect(await admitted(3, () => get(gateway))).toBe(3);
    await clock.advance(500);
    const refused = await get(gateway);
    expect(refused.status).toBe(429);
    expect(Object.fromEntries(refused.headers)).toMatchObject({
      "content-type": "application/problem+json",
      "retry-after": "2",
      "ratelimit-policy": '"read-user";q=3;w=6',
      ratelimit: '"read-user";r=0;t=6',
    });
    expect(await refused.json()).toMatchObject({ status: 429, code: "RESOURCE_EXHAUSTED", reason: "RATE_LIMITED" });
    expect(told).toMatchObject([
      { kind: "limited", target: "user", method: "weft.user.v1.UserService/GetUser", reason: "read-user" },
    ]);
    const calls = gateway.fake.calls.length;
    const accept = "application/vnd.weft.envelope+json";
    const wrapped = await get(gateway, { ...bearer("ada"), accept });
    expect(await wrapped.json()).toMatchObject({ code: "RESOURCE_EXHAUSTED", data: { reason: "RATE_LIMITED" } });
    expect(gateway.fake.calls.length).toBe(calls);
    await clock.advance(1500);
    expect((await get(gateway)).status).toBe(200);
  });

  test("users have a quota each, whatever token they use; administrators have their own", async () => {
    const gateway = await openGateway({ read: { user: "2/10s", admin: "5/10s" }, search: { user: "1/10s" } });
    expect(await admitted(2, () => get(gateway, bearer("ada", "one")))).toBe(2);
    expect(await admitted(3, () => get(gateway, bearer("ada", "two")))).toBe(0);
    expect(await admitted(3, () => get(gateway, bearer("bob")))).toBe(2);
    expect(await admitted(9, () => get(gateway, bearer("admin")))).toBe(5);
    expect(await admitted(3, () => get(gateway, bearer("admin"), "/search/users"))).toBe(1);
    expect(tokens.verified).toBe(4);
  });

  test("calls that come together with a new token wait to learn whose it is", async () => {
    const gateway = await openGateway({ read: { user: "50/10s", address: "1/10s" } });
    const answers = await Promise.all(Array.from({ length: 20 }, () => get(gateway)));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200));
    expect(tokens.verified).toBe(1);
  });

  test("without a good token callers count by address, and nobody can use up what is another's", async () => {
    const gateway = await openGateway({ read: { user: "2/10s", address: "3/10s" }, auth: { address: "2/10s" } });
    expect(await admitted(5, () => login(gateway))).toBe(2);
    expect(await admitted(9, () => get(gateway, bearer("bad")))).toBe(3);
    expect(await admitted(1, () => get(gateway, { authorization: "Bearer opaque" }))).toBe(0);
    expect(await admitted(9, () => get(gateway))).toBe(2);
    expect(tokens.verified).toBe(2);
  });

  test("who has accounts guesses no more passwords from one address than who has none", async () => {
    const gateway = await openGateway({ auth: { user: "3/10s", address: "4/10s", admin: "9/10s" } });
    expect(await admitted(5, () => login(gateway, bearer("ada")))).toBe(3);
    expect(await admitted(5, () => login(gateway, bearer("bob")))).toBe(1);
    expect(await admitted(5, () => login(gateway))).toBe(0);
    expect(await admitted(5, () => login(gateway, bearer("admin")))).toBe(5);
  });

  test("a token that was not valid is looked at again", async () => {
    const gateway = await openGateway({});
    const policy = async (headers: Record<string, string>): Promise<string | null> =>
      (await get(gateway, headers)).headers.get("ratelimit-policy");
    tokens.failure = new WeftError("UNAUTHENTICATED", "a key that is too new");
    expect(await policy(bearer("ada"))).toContain("read-address");
    tokens.failure = undefined;
    // In use all the time.
    for (let second = 0; second < 60; second += 20) {
      expect(await policy(bearer("ada"))).toContain("read-address");
      await clock.advance(20_000);
    }
    expect(await policy(bearer("ada"))).toContain("read-user");
  });

  test("a long token names its user as a short one does, and is looked at once", async () => {
    const gateway = await openGateway({});
    const long = "x".repeat(4_000);
    // More than may fail.
    for (let call = 0; call < 300; call += 1) {
      const answer = await get(gateway, bearer("ada", long));
      expect([answer.status, answer.headers.get("ratelimit-policy")]).toEqual([
        200,
        expect.stringContaining("read-user"),
      ]);
    }
    expect(tokens.verified).toBe(1);
    expect(await admitted(250, () => get(gateway, bearer("bad", long)))).toBe(200);
    expect(tokens.verified).toBe(2);
    expect((await get(gateway, bearer("ada", long))).status).toBe(200);
  });

  test("a flood of false tokens is refused before anybody looks at them; who had a good one at its address is not", async () => {
    const named = (sub: string): string => Buffer.from(JSON.stringify({ sub })).toString("base64url");
    tokens.verify = async (authorization) => {
      tokens.verified += 1;
      const [, payload = "", signature] = authorization?.split(".") ?? [];
      if (signature !== "good") throw new WeftError("UNAUTHENTICATED", "not a token of ours");
      const { sub } = JSON.parse(Buffer.from(payload, "base64url").toString()) as { readonly sub: string };
      return { subject: sub, roles: [] };
    };
    const gateway = await openGateway({});
    const ada = (token: string) => ({ authorization: `Bearer ${token}.${named("ada")}.good` });
    expect((await get(gateway, ada("first"))).status).toBe(200);
    let made = 0;
    const flood = (): Promise<Response> => get(gateway, bearer(named("x"), `false-${(made += 1)}`));
    expect(await admitted(250, flood)).toBe(200);
    expect(tokens.verified).toBe(201);
    const calls = gateway.fake.calls.length;
    const refused = await flood();
    expect([refused.status, refused.headers.get("retry-after"), await refused.json()]).toMatchObject([
      ...[429, "1", { reason: "RATE_LIMITED" }],
    ]);
    expect([tokens.verified, gateway.fake.calls.length]).toEqual([201, calls]);
    expect(told.at(-1)).toMatchObject({ kind: "limited", target: "user", reason: "false-tokens" });
    // The same one again costs its service as much, and so does a long one.
    expect(await admitted(1, () => get(gateway, bearer(named("x"), "false-1")))).toBe(0);
    expect(await admitted(1, () => get(gateway, bearer(named("x"), "x".repeat(4_000))))).toBe(0);
    // Her old token is not looked at, and her new one is; who has none can sign in.
    expect((await get(gateway, ada("first"))).status).toBe(200);
    expect((await get(gateway, ada("second"))).headers.get("ratelimit-policy")).toContain("read-user");
    expect((await login(gateway)).status).toBe(200);
    await clock.advance(1_000);
    expect(await admitted(50, flood)).toBe(20);
  });

  test("while keys can't be had calls count by address, and afterwards by user", async () => {
    const gateway = await openGateway({ read: { user: "2/10s", address: "3/10s" } });
    tokens.failure = new WeftError("UNAVAILABLE", "no keys");
    expect((await get(gateway)).headers.get("ratelimit-policy")).toContain("read-address");
    tokens.failure = undefined;
    expect((await get(gateway)).headers.get("ratelimit-policy")).toContain("read-user");
  });

  test("X-Forwarded-For counts where a trusted proxy says it", async () => {
    const from = (client: string): Record<string, string> => ({ "x-forwarded-for": client });
    const strict = await openGateway({ auth: { address: "2/10s" } });
    expect(await admitted(4, () => login(strict, from("203.0.113.1")))).toBe(2);
    expect(await admitted(2, () => login(strict, from("203.0.113.2")))).toBe(0);
    const trusting = await openGateway({ auth: { address: "3/10s" } }, ["127.0.0.0/8"]);
    expect(await admitted(4, () => login(trusting, from("10.9.9.9, 203.0.113.1")))).toBe(3);
    expect(await admitted(4, () => login(trusting, from("203.0.113.2")))).toBe(3);
    trusting.limits.configure({ trustedProxies: [] });
    expect(await admitted(4, () => login(trusting, from("203.0.113.3")))).toBe(3);
    expect(await admitted(1, () => login(trusting, from("203.0.113.4")))).toBe(0);
  });

  test("two gateways share one limit", async () => {
    const limits = { read: { user: "100/10s" }, search: { user: "1000/10s", total: "60/10s" } };
    const [one, two] = [await openGateway(limits), await openGateway(limits)];
    const taken = (await admitted(80, () => get(one))) + (await admitted(80, () => get(two)));
    // The free part of each is two calls.
    expect(taken).toBeGreaterThanOrEqual(90);
    expect(taken).toBeLessThanOrEqual(104);
    const together =
      (await admitted(40, () => get(one, bearer("ada"), "/search/users"))) +
      (await admitted(40, () => get(two, bearer("bob"), "/search/users")));
    expect(together).toBeGreaterThanOrEqual(50);
    expect(together).toBeLessThanOrEqual(62);
    const refused = await get(two, bearer("bob"), "/search/users");
    expect(refused.headers.get("ratelimit-policy")).toBe('"search-total";q=60;w=10');
  });

  test("without the store each gateway limits by itself, and that is told", async () => {
    const away = (): never => {
      throw new WeftError("UNAVAILABLE", "no store");
    };
    const store: CacheStore = {
      capabilities: new Set(),
      get: async () => away(),
      set: async () => away(),
      delete: async () => away(),
    };
    const gateway = await openWith(store, { limits: { read: { user: "100/10s" } }, trustedProxies: [] });
    expect(await admitted(120, () => get(gateway))).toBe(100);
    expect(told[0]).toEqual({ kind: "limited", target: "gateway", reason: "store away" });
  });

  test("limits change while they are in use", async () => {
    const gateway = await openGateway({ read: { user: "4/8s" } });
    expect(await admitted(2, () => get(gateway))).toBe(2);
    gateway.limits.configure({ limits: { read: { user: "10/10s" } } });
    const next = await get(gateway);
    // Half of the old one was used, so half of the new one is.
    expect([next.headers.get("ratelimit-policy"), next.headers.get("ratelimit")]).toEqual([
      '"read-user";q=10;w=10',
      '"read-user";r=4;t=6',
    ]);
    gateway.limits.configure({ limits: { read: { user: "off" } } });
    const free = await get(gateway);
    expect([free.status, free.headers.get("ratelimit")]).toEqual([200, null]);
  });
});

describe("limits that tighten", () => {
  test("a target in trouble gets fewer calls, reads last; when it is well it gets all of them, at the latest after two seconds", async () => {
    const gateway = await openGateway({});
    const answers = (): Promise<Response[]> => Promise.all(Array.from({ length: 40 }, () => get(gateway)));
    gateway.fake.on(UserService.method.getUser, () => {
      throw new WeftError("UNAVAILABLE", "not now");
    });
    for (let span = 0; span < 10; span += 1) {
      await answers();
      await clock.advance(500);
    }
    const statuses = (await answers()).map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([503, 429]));
    // The floor of 50 a second, with a quarter of a second's at once.
    expect(statuses.filter((status) => status === 503).length).toBeLessThanOrEqual(26);
    const refused = await get(gateway);
    expect([refused.status, refused.headers.get("retry-after"), await refused.json()]).toMatchObject([
      429,
      "1",
      { reason: "RESOURCE_EXHAUSTED" },
    ]);
    expect(told).toContainEqual({ kind: "limited", target: "user", reason: "tightened" });
    // Others are none of this target's trouble.
    expect((await get(gateway, bearer("ada"), "/search/users")).status).toBe(200);
    gateway.fake.on(UserService.method.getUser, ({ id }) => ({ user: { id } }));
    for (let span = 0; span < 5; span += 1) {
      await clock.advance(500);
      await answers();
    }
    expect((await answers()).every(({ status }) => status === 200)).toBe(true);
    expect(told.at(-1)).toEqual({ kind: "limited", target: "user", reason: "relaxed" });
  });
});
