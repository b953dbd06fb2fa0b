import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { create, toBinary } from "@bufbuild/protobuf";
import { UserCreatedSchema } from "@weft/contracts/event";
import { UserService } from "@weft/contracts/user";
import { silentLog, WeftError } from "@weft/kit";
import { within } from "@weft/kit/testing";
import type { KeyedEvent, PubSub } from "@weft/pubsub";
import { eventsService } from "@weft/pubsub-admin";
import { openEmbeddedPubSub } from "@weft/pubsub-embedded";
import { implement, openServer, type RpcServer } from "@weft/rpc";
import { afterEach, beforeEach, expect, test } from "vitest";
import { runCli } from "../cli.ts";
import { parseWhen } from "./when.ts";

const topic = "weft.user.v1";
const limitMs = 10_000;

let stack: AsyncDisposableStack;
let folder: string;
let pubsub: PubSub;
let server: RpcServer;

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  folder = mkdtempSync(join(tmpdir(), "weft-cli-events-"));
  stack.defer(() => rmSync(folder, { recursive: true }));
  // What the embedded profile writes for its administrator.
  writeFileSync(join(folder, "admin-token"), "admin\n");
  pubsub = stack.use(await openEmbeddedPubSub({ dataDir: folder }));
  const services = [
    eventsService({ pubsub, log: silentLog }),
    implement(UserService, { republishUsers: () => ({ republished: 7 }) }),
  ];
  const tokens = {
    verify: (token: string | undefined) =>
      token === undefined ? undefined : { subject: token, roles: token === "Bearer admin" ? ["admin"] : [] },
  };
  server = stack.use(await openServer({ host: "127.0.0.1", port: 0, services, tokens }));
});
afterEach(() => stack.disposeAsync());

interface Result {
  exitCode: number | undefined;
  stdout: string;
  stderr: string;
}

/** Begins a command; what it printed so far is in `result`. */
function begin(...argv: string[]): { readonly result: Result; readonly ended: Promise<Result> } {
  const result: Result = { exitCode: undefined, stdout: "", stderr: "" };
  const ended = runCli(["events", ...argv, "--data-dir", folder], {
    env: {},
    cwd: folder,
    stdin: Readable.from([]),
    stdout: { write: (text) => (result.stdout += text) },
    stderr: { write: (text) => (result.stderr += text) },
  }).then((exitCode) => Object.assign(result, { exitCode }));
  return { result, ended };
}

const events = (...argv: string[]): Promise<Result> => begin(...argv, "--address", server.address).ended;

/** The lines of `--json`. */
async function lines(...argv: string[]): Promise<unknown[]> {
  const { exitCode, stdout, stderr } = await events(...argv, "--json");
  expect([exitCode, stderr]).toEqual([0, ""]);
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line): unknown => JSON.parse(line));
}

function created(id: string, name: string): KeyedEvent {
  const data = toBinary(UserCreatedSchema, create(UserCreatedSchema, { user: { id, name, version: 1n } }));
  return event(id, UserCreatedSchema.typeName, data);
}

function event(key: string, type: string, data: Uint8Array): KeyedEvent {
  const common = { source: "/test", time: Date.UTC(2026, 0, 1), dataContentType: "application/protobuf" };
  const extensions = { aggregateversion: "1", traceparent: "00-1-2-01" };
  return { key, event: { id: `e-${key}`, type, subject: key, data, ...common, extensions } };
}

/** A group that refuses what `isBad` says. */
async function subscribe(isBad: (key: string) => boolean): Promise<readonly string[]> {
  const handled: string[] = [];
  const failure = { immediateAttempts: 1, retryDelaysMs: [] };
  const handle = async ({ key }: KeyedEvent): Promise<void> => {
    if (isBad(key)) throw new WeftError("DATA_LOSS", "can't read it");
    handled.push(key);
  };
  stack.use(await pubsub.subscribe({ group: "g", topics: [topic], handle, failure }));
  return handled;
}

test("tail prints what is kept: a line for people, or an object for programs, with what the event says", async () => {
  await pubsub.publish(topic, [created("u1", "Ada")]);
  const { exitCode, stdout } = await events("tail");
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/^20\d\d-\S+Z \d@0 UserCreated u1 v1 \{"user":\{"id":"u1".*"name":"Ada".*\}\}\n$/);
  const [line] = await lines("tail", topic);
  expect(line).toMatchObject({
    ...{ topic, offset: 0, key: "u1", id: "e-u1", source: "/test", type: "weft.event.v1.UserCreated", subject: "u1" },
    ...{ time: "2026-01-01T00:00:00.000Z", version: 1, traceparent: "00-1-2-01", publishTime: expect.any(String) },
    data: { user: { id: "u1", name: "Ada", version: "1" } },
  });
});

test("what would move the cursor of a terminal is not written to it", async () => {
  await pubsub.publish(topic, [event("a\u001B[2J\nb", "x.Y", new Uint8Array())]);
  const { stdout } = await events("tail");
  expect(stdout).toMatch(/x\.Y a\?\[2J\?b v1/);
});

test("what is of an unknown type, or not what it says it is, is shown as bytes", async () => {
  await pubsub.ensureTopic(topic, { partitions: 1 });
  const broken = Uint8Array.of(0xff, 0xff);
  await pubsub.publish(topic, [event("a", "weft.event.v9.UserFrozen", broken), event("b", "weft.event.v1.UserCreated", broken)]); // prettier-ignore
  expect(await lines("tail")).toMatchObject([{ dataBase64: "//8=" }, { dataBase64: "//8=" }]);
  expect((await events("tail")).stdout).toContain("2 bytes of weft.event.v9.UserFrozen");
});

test("a tail is narrowed down by time, key and type", async () => {
  await pubsub.publish(topic, [
    created("u1", "Ada"),
    created("u2", "Bob"),
    event("u2", "test.Other", new Uint8Array()),
  ]);
  const keys = async (...argv: string[]): Promise<unknown[]> =>
    ((await lines("tail", ...argv)) as { key: string }[]).map(({ key }) => key).sort();
  expect(await keys("--key", "u2")).toEqual(["u2", "u2"]);
  expect(await keys("--type", "UserCreated")).toEqual(["u1", "u2"]);
  expect(await keys("--type", "test.Other", "--from", "10m")).toEqual(["u2"]);
  expect(await keys("--from", "2999-01-01T00:00:00Z")).toEqual([]);
});

test("a tail that follows goes on until Ctrl-C, which is no failure", async () => {
  await pubsub.publish(topic, [created("u1", "Ada")]);
  const { result, ended } = begin("tail", "-f", "--from", "earliest", "--address", server.address);
  await within(limitMs, "what is there", () => result.stdout.includes("Ada"));
  await pubsub.publish(topic, [created("u2", "Bob")]);
  await within(limitMs, "what comes next", () => result.stdout.includes("Bob"));
  process.emit("SIGINT");
  expect(await ended).toMatchObject({ exitCode: 0, stderr: "" });
});

test("a tail that follows outlives the process that it reads from, and prints each event once", async () => {
  await pubsub.publish(topic, [created("u1", "Ada")]);
  const { result, ended } = begin("tail", "-f", "--from", "earliest", "--address", server.address);
  await within(limitMs, "what is there", () => result.stdout.includes("Ada"));
  const { address } = server;
  await server.drain(AbortSignal.abort());
  const services = [eventsService({ pubsub, log: silentLog })];
  const tokens = { verify: () => ({ subject: "admin", roles: ["admin"] }) };
  stack.use(await openServer({ host: "127.0.0.1", port: Number(address.split(":")[1]), services, tokens }));
  await pubsub.publish(topic, [created("u2", "Bob")]);
  await within(limitMs, "what comes next", () => result.stdout.includes("Bob"));
  process.emit("SIGTERM");
  expect(await ended).toMatchObject({ exitCode: 0 });
  expect(result.stdout.match(/UserCreated/g)).toHaveLength(2);
});

test("lag, dead letters and redrive: what failed is seen with why, and delivered again", async () => {
  let bad = true;
  const handled = await subscribe((key) => bad && key !== "u1");
  await pubsub.publish(topic, [created("u1", "Ada"), created("u2", "Bob"), created("u3", "Eve")]);
  await within(limitMs, "both are given up", async () => {
    const [row] = (await lines("lag")) as { dead: number }[];
    return row?.dead === 2;
  });
  expect(await lines("lag", "g")).toMatchObject([{ group: "g", topic, lag: 0, waiting: 0, dead: 2 }]);
  expect((await events("lag")).stdout).toMatch(/^GROUP +TOPIC +LAG +WAITING +DEAD\ng +weft\.user\.v1 +0 +0 +2\n$/);

  const letters = await lines("dead-letters", "--group", "g", "--key", "u2");
  expect(letters).toMatchObject([{ group: "g", reason: "DATA_LOSS", detail: "can't read it", attempts: 1 }]);
  expect(letters).toMatchObject([{ event: { id: "e-u2", topic, data: { user: { name: "Bob" } } } }]);
  const told = await events("dead-letters", "--limit", "1");
  expect(told.stdout).toMatch(
    /g gave up UserCreated u\d after 1 try\n {2}DATA_LOSS can't read it\n {2}event e-u\d of trace 1: \{/,
  );
  expect(told.stderr).toContain("there are more");
  expect((await events("dead-letters", "--reason", "INTERNAL")).stdout).toBe("there are no dead letters\n");

  bad = false;
  const unsaid = await events("redrive", "--group", "g");
  expect(unsaid).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining("--event, --key or --reason, or --all"),
  });
  expect(await lines("redrive", "--group", "g", "--event", "e-u2")).toEqual([{ redriven: 1 }]);
  expect((await events("redrive", "--group", "g", "--all")).stdout).toBe(`dead letters of ${topic} redriven to g: 1\n`);
  await within(limitMs, "all are handled", () => handled.length === 3);
});

test("replay delivers again what was published since", async () => {
  const handled = await subscribe(() => false);
  await pubsub.publish(topic, [created("u1", "Ada"), created("u2", "Bob")]);
  await within(limitMs, "both are handled", () => handled.length === 2);
  expect(await lines("replay", "--group", "g", "--from", "1h", "--key", "u2")).toEqual([{ replayed: 1 }]);
  expect((await events("replay", "--group", "g", "--from", "earliest")).stdout).toBe(
    `events of ${topic} replayed to g: 2\n`,
  );
  await within(limitMs, "they came again", () => handled.length === 5);
  expect(await lines("replay", "--group", "g", "--from", "2h", "--to", "1h")).toEqual([{ replayed: 0 }]);
});

test("republish says how many", async () => {
  expect(await lines("republish", "users")).toEqual([{ republished: 7 }]);
  expect(await events("republish", "packages")).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining("users"),
  });
});

test("what can't be is told in a line", async () => {
  const stderr = async (...argv: string[]): Promise<string> => {
    const result = await events(...argv);
    expect(result).toMatchObject({ exitCode: 1, stdout: "" });
    return result.stderr;
  };
  expect(await stderr("tail")).toBe("weft: there is no topic yet (NOT_FOUND)\n");
  await pubsub.ensureTopic(topic);
  expect(await stderr("tail", "nothing")).toBe(`weft: there is no topic nothing; there is ${topic} (NOT_FOUND)\n`);
  expect(await stderr("tail", "--from", "yesterday")).toContain("Expected 15m, 2h or 7d");
  expect(await stderr("replay", "--group", "g")).toContain("--from");
  expect(await stderr("redrive", "--all")).toContain("--group");
  expect(await stderr("redrive", "--group", "g", "--all", "--key", "k")).toContain("--all");
  expect(await stderr("dead-letters", "--limit", "501")).toContain("Expected 1 to 500");
  expect(await stderr("lag", "nobody")).toContain("there is no group nobody");
  expect(await stderr("lag", "--token", "somebody")).toBe(
    "weft: only an administrator may do this (PERMISSION_DENIED)\n",
  );
  expect(await stderr("republish", "users", "--token", "somebody")).toContain("only an administrator");
  await pubsub.ensureTopic("weft.other.v1");
  expect(await stderr("tail")).toContain("name one of the topics: weft.other.v1, weft.user.v1");
  rmSync(join(folder, "admin-token"));
  expect(await stderr("lag")).toBe("weft: a token is needed (UNAUTHENTICATED)\ngive a token with --token\n");
  const alone = await begin("lag", "--timeout", "300").ended;
  expect(alone).toMatchObject({ exitCode: 1, stderr: expect.stringContaining(`no mesh runs on ${folder}`) });
});

test.each([
  ["earliest", 0],
  ["90s", 1_000_000_000 - 90_000],
  ["15m", 1_000_000_000 - 900_000],
  ["2h", 1_000_000_000 - 7_200_000],
  ["1d", 1_000_000_000 - 86_400_000],
  ["99999d", 0],
  ["2026-11-21T10:00:00Z", Date.UTC(2026, 10, 21, 10)],
  ["2026-11-21T10:00:00.5+01:00", Date.UTC(2026, 10, 21, 9, 0, 0, 500)],
  ["2026-11-21T10:00Z", Date.UTC(2026, 10, 21, 10)],
  ["2026-11-21T10:00:00", undefined],
  ["2026-13-21T10:00:00Z", undefined],
  ["1969-01-01T00:00:00Z", undefined],
  ["15", undefined],
  ["yesterday", undefined],
  ["", undefined],
])("the instant %j", (text, expected) => {
  expect(parseWhen(text, 1_000_000_000)).toBe(expected);
});
