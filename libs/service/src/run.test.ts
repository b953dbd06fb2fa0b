import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Health, HealthCheckResponse_ServingStatus } from "@weft/contracts/grpc";
import { AuthService } from "@weft/contracts/user";
import { openEmbeddedDiscovery } from "@weft/discovery-embedded";
import { systemClock } from "@weft/kit";
import { within } from "@weft/kit/testing";
import { createClient, openTransport } from "@weft/rpc";
import type { ReadyMessage } from "./process-events.ts";
import { callTo, fixture, limitMs, useProcesses } from "./testing/process.ts";

/** Starts the fixture as `up` does, and passes on where it is. */
const supervise = `
  import { spawn } from "node:child_process";
  const stdio = ["ignore", "pipe", "pipe", "ipc"];
  const child = spawn(process.execPath, [${JSON.stringify(fixture)}], { stdio, detached: true });
  child.on("message", (message) => console.log(JSON.stringify({ ...message, pid: child.pid })));
`;

const processes = useProcesses();
const hasIpv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === "::1"));

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // One that ended and that nobody asks about is still listed.
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

const readyz = (address: string) => fetch(`http://${address}/readyz`);

test("starts in order, serves, is found, and stops in order on SIGTERM while a call is in flight", async () => {
  const service = processes.start();
  const { grpc, admin, instance, listeners } = await service.ready;
  expect(listeners).toEqual(["127.0.0.1:1"]);
  const discovery = await openEmbeddedDiscovery({ dataDir: join(processes.dataDir, "data") });
  await using stack = new AsyncDisposableStack();
  stack.use(discovery);
  expect(await discovery.list()).toEqual([
    {
      service: "fixture",
      id: instance,
      address: grpc,
      metadata: { version: "1.2.3", admin, grpc, pid: String(service.child.pid) },
    },
  ]);
  expect((await fetch(`http://${admin}/livez`)).status).toBe(200);
  const report = await readyz(admin);
  expect(report.status).toBe(200);
  expect(await report.json()).toEqual({ service: "fixture", instance, status: "ready", checks: { store: "ok" } });

  const health = createClient(Health, stack.use(openTransport({ address: grpc })));
  const statusOf = async (name: string) => (await health.check({ service: name })).status;
  expect(await statusOf("")).toBe(HealthCheckResponse_ServingStatus.SERVING);
  expect(await statusOf(AuthService.typeName)).toBe(HealthCheckResponse_ServingStatus.SERVING);

  const caller = stack.use(callTo(grpc));
  const answer = caller.login(4000);
  await service.says("trace call begins");
  service.child.kill("SIGTERM");
  await service.says("stopping");
  const draining = await readyz(admin);
  expect(draining.status).toBe(503);
  expect(await draining.json()).toMatchObject({ status: "draining" });
  expect(await statusOf("")).toBe(HealthCheckResponse_ServingStatus.NOT_SERVING);
  await within(limitMs, "the registry without it", async () => (await discovery.list()).length === 0);
  expect((await answer).accessToken).toBe("a");
  expect(await service.exit).toBe(0);
  expect(service.messages.filter((message) => !message.startsWith("stop phase"))).toEqual([
    "trace compose",
    "trace listen",
    "trace background begins",
    "ready",
    "trace call begins",
    "stopping",
    "trace leave",
    "trace drain",
    "trace call ends",
    "trace background ends",
    "trace disposed last",
    "trace disposed first",
    "stopped",
  ]);
  expect(service.stderr).toBe("");
});

test("others are told the address by which they reach it", async () => {
  const service = processes.start({ WEFT_HOST: "0.0.0.0", WEFT_ADVERTISE_HOST: "localhost" });
  const { grpc, admin, listeners } = await service.ready;
  await using discovery = await openEmbeddedDiscovery({ dataDir: join(processes.dataDir, "data") });
  const [instance] = await discovery.list();
  expect(instance).toMatchObject({ address: grpc, metadata: { grpc, admin } });
  for (const address of [grpc, admin, ...listeners]) expect(address).toMatch(/^localhost:\d+$/);
  expect((await readyz(admin)).status).toBe(200);
});

test.skipIf(!hasIpv6)("it listens on an address of IPv6, too", async () => {
  const service = processes.start({ WEFT_HOST: "::1" });
  const { grpc, admin } = await service.ready;
  for (const address of [grpc, admin]) expect(address).toMatch(/^\[::1\]:\d+$/);
  expect((await readyz(admin)).status).toBe(200);
  await using caller = callTo(grpc);
  expect((await caller.login(0)).accessToken).toBe("a");
});

test("metrics tell of the process and its calls", async () => {
  const service = processes.start();
  const { grpc, admin } = await service.ready;
  await using caller = callTo(grpc);
  await caller.login(0);
  const text = await (await fetch(`http://${admin}/metrics`)).text();
  expect(text).toMatch(/rpc_server_duration_seconds_count\{.*rpc_method="Login".*\} 1/);
  expect(text).toMatch(/^process_memory_usage_bytes/m);
  expect((await fetch(`http://${admin}/nothing`)).status).toBe(404);
  expect((await fetch(`http://${admin}/livez`, { method: "POST" })).status).toBe(405);
});

test("a second signal ends it at once", async () => {
  const service = processes.start();
  const { grpc } = await service.ready;
  await using caller = callTo(grpc);
  const answer = caller.login(20_000).catch(() => "lost");
  await service.says("trace call begins");
  service.child.kill("SIGTERM");
  await service.says("stopping");
  // Any sooner it would be an echo.
  await systemClock.sleep(400);
  service.child.kill("SIGTERM");
  expect(await service.exit).toBe(1);
  expect(await answer).toBe("lost");
});

test("a signal that comes to the whole group, and once more from whoever passes it on, is one", async () => {
  const service = processes.start();
  const { grpc } = await service.ready;
  await using caller = callTo(grpc);
  const answer = caller.login(500);
  await service.says("trace call begins");
  service.child.kill("SIGINT");
  await service.says("stopping");
  service.child.kill("SIGINT");
  expect((await answer).accessToken).toBe("a");
  expect(await service.exit).toBe(0);
});

test("what it writes is for nobody else on the machine", async () => {
  const service = processes.start({ WEFT_FIXTURE_FAULT: "scratch" });
  await service.ready;
  const folder = join(processes.dataDir, "data");
  const names = readdirSync(folder);
  expect(names).toEqual(expect.arrayContaining(["discovery.db", "discovery.db-wal", "scratch"]));
  const open = ["", ...names].filter((name) => (statSync(join(folder, name)).mode & 0o077) !== 0);
  expect(open).toEqual([]);
});

test("a step of the stop over its limit ends it at once", async () => {
  const service = processes.start({ WEFT_FIXTURE_FAULT: "hang", WEFT_FLUSH_TIMEOUT_MS: "200" });
  await service.ready;
  service.child.kill("SIGINT");
  expect(await service.exit).toBe(1);
  expect(service.lines.at(-1)).toMatchObject({ level: "fatal", phase: "flush", limitMs: 200 });
});

test("calls over the limit are ended, and the rest of the stop goes its way", async () => {
  const service = processes.start({ WEFT_DRAIN_TIMEOUT_MS: "500" });
  const { grpc } = await service.ready;
  await using caller = callTo(grpc);
  const answer = caller.login(limitMs).catch((error: unknown) => error);
  await service.says("trace call begins");
  service.child.kill("SIGTERM");
  expect(await answer).toMatchObject({ reason: "DRAINING" });
  expect(await service.exit).toBe(1);
  expect(service.lines).toContainEqual(expect.objectContaining({ level: "warn", phase: "drain", limitMs: 500 }));
  const ends = ["trace background ends", "trace disposed last", "trace disposed first", "stopped"];
  expect(service.messages.filter((message) => ends.includes(message))).toEqual(ends);
});

test("it stops when its supervisor is gone", async () => {
  const service = processes.start();
  await service.ready;
  service.child.disconnect();
  expect(await service.exit).toBe(0);
  expect(service.lines.find(({ msg }) => msg === "stopping")).toMatchObject({ why: "the supervisor is gone" });
});

test("a killed supervisor, and a log that nobody reads any more, lose no call in flight", async () => {
  const supervisor = spawn(process.execPath, ["--input-type=module", "--eval", supervise], {
    cwd: processes.dataDir,
    env: { PATH: process.env.PATH, WEFT_DATA_DIR: join(processes.dataDir, "data"), WEFT_SETTLE_MS: "200" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  processes.add(supervisor);
  const [line] = (await once(supervisor.stdout, "data")) as [Buffer];
  const { grpc, pid } = JSON.parse(line.toString()) as ReadyMessage & { readonly pid: number };
  await using caller = callTo(grpc);
  const answer = caller.login(1000);
  await systemClock.sleep(300);
  supervisor.kill("SIGKILL");
  expect((await answer).accessToken).toBe("a");
  const late = Date.now() + limitMs;
  while (isRunning(pid) && Date.now() < late) await systemClock.sleep(20);
  expect(isRunning(pid)).toBe(false);
});

test.each([
  ["background", "background work failed"],
  ["rejection", "an error that nobody caught"],
])("a fault (%s) stops it with exit code 1", async (fault, message) => {
  const service = processes.start({ WEFT_FIXTURE_FAULT: fault });
  expect(await service.exit).toBe(1);
  expect(service.messages).toContain(message);
  expect(service.messages.at(-1)).toBe("stopped");
});

test("what compose throws is a line, and what was opened is closed", async () => {
  const service = processes.start({ WEFT_FIXTURE_FAULT: "compose" });
  expect(await service.exit).toBe(1);
  expect(service.stderr).toBe("fixture: the store can't be reached\n");
  expect(service.messages).toContain("trace disposed first");
  expect(service.messages).not.toContain("a step of the stop failed");
});

test("a stop waits only for a moment for a start that waits for somebody", async () => {
  const service = processes.start({ WEFT_FIXTURE_FAULT: "waiting", WEFT_CLOSE_TIMEOUT_MS: "8000" });
  await service.says("trace compose");
  service.child.kill("SIGTERM");
  expect(await service.exit).toBe(0);
  expect(service.stderr).toBe("");
  expect(service.lines).toContainEqual(expect.objectContaining({ level: "warn", phase: "end of the start" }));
  expect(service.messages).toEqual(expect.arrayContaining(["trace disposed first", "stopped"]));
});

test("a failing check makes it unready, not dead", async () => {
  const service = processes.start({ WEFT_FIXTURE_FAULT: "unready", WEFT_READY_TIMEOUT_MS: "500" });
  const { admin } = await service.ready;
  const report = await readyz(admin);
  expect(report.status).toBe(503);
  expect(await report.json()).toMatchObject({ status: "unready", checks: { store: "UNAVAILABLE: no connection" } });
  expect((await fetch(`http://${admin}/livez`)).status).toBe(200);
});

test("zone, weight and version are facts that discovery shows", async () => {
  const service = processes.start({ WEFT_ZONE: "a", WEFT_WEIGHT: "3", WEFT_VERSION: "2.0.0" });
  await service.ready;
  await using discovery = await openEmbeddedDiscovery({ dataDir: join(processes.dataDir, "data") });
  expect(await discovery.list()).toMatchObject([{ metadata: { zone: "a", weight: "3", version: "2.0.0" } }]);
});

test("a handle that somebody left open does not keep it alive", async () => {
  const service = processes.start({ WEFT_FIXTURE_FAULT: "lingering" });
  await service.ready;
  service.child.kill("SIGTERM");
  expect(await service.exit).toBe(0);
  expect(service.lines.at(-1)).toMatchObject({ level: "warn", open: expect.arrayContaining(["Timeout"]) });
});

test("bad settings are a line each, from wherever they come", async () => {
  writeFileSync(join(processes.dataDir, "weft.yaml"), "fixture:\n  falt: none\n");
  writeFileSync(join(processes.dataDir, ".env"), "WEFT_LOG_LEVEL=loud\nWEFT_USER_WHATEVER=1\n");
  const service = processes.start({ WEFT_DATADIR: "x" }, ["--grpc-prot", "1"]);
  expect(await service.exit).toBe(1);
  expect(service.stderr.trimEnd().split("\n")).toEqual([
    "fixture: weft.yaml: fixture.falt is not a setting; did you mean fixture.fault?",
    "fixture: WEFT_DATADIR is not a setting; did you mean WEFT_DATA_DIR?",
    "fixture: --grpc-prot is not a setting; did you mean --grpc-port?",
    'fixture: .env: WEFT_LOG_LEVEL "loud" is not one of debug, info, warn, error, fatal',
  ]);
});

test("a port in use and a data folder that can't be written to are a line each", async () => {
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  const taken = other.address();
  const port = String(typeof taken === "object" ? taken?.port : 0);
  const grpc = processes.start({ WEFT_GRPC_PORT: port });
  const admin = processes.start({ WEFT_ADMIN_PORT: port });
  writeFileSync(join(processes.dataDir, "file"), "");
  const folder = processes.start({ WEFT_DATA_DIR: join(processes.dataDir, "file/data") });
  try {
    expect(await grpc.exit).toBe(1);
    expect(grpc.stderr).toBe(`fixture: 127.0.0.1:${port} is in use by another process\n`);
    expect(await admin.exit).toBe(1);
    expect(admin.stderr).toBe(`fixture: 127.0.0.1:${port} is in use by another process\n`);
    expect(await folder.exit).toBe(1);
    expect(folder.stderr).toMatch(
      /^fixture: the data folder .*file\/data can't be written to \(.*\).*WEFT_DATA_DIR\n$/,
    );
  } finally {
    other.close();
  }
});
