import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Health, HealthCheckResponse_ServingStatus } from "@weft/contracts/grpc";
import { openEmbeddedConfiguration } from "@weft/configuration-embedded";
import { openEmbeddedDiscovery } from "@weft/discovery-embedded";
import { systemClock } from "@weft/kit";
import { within } from "@weft/kit/testing";
import { createClient, openTransport } from "@weft/rpc";
import type { CallsReport } from "./admin.ts";
import { callTo, limitMs, useProcesses } from "./testing/process.ts";

const processes = useProcesses();

test("who starts without what it needs is listed after a while, and says that it serves once it has it", async () => {
  const service = processes.start({ WEFT_FIXTURE_FAULT: "unready", WEFT_READY_TIMEOUT_MS: "4000" });
  const data = join(processes.dataDir, "data");
  await service.says("trace background begins");
  await using stack = new AsyncDisposableStack();
  const discovery = stack.use(await openEmbeddedDiscovery({ dataDir: data }));
  expect(await discovery.list()).toEqual([]);
  const { grpc, instance } = await service.ready;
  expect(await discovery.list()).toMatchObject([{ id: instance }]);
  const health = createClient(Health, stack.use(openTransport({ address: grpc })));
  const status = async () => (await health.check({ service: "" })).status;
  expect(await status()).toBe(HealthCheckResponse_ServingStatus.NOT_SERVING);
  writeFileSync(join(data, "fine"), "");
  await service.says("ready now");
  expect(await status()).toBe(HealthCheckResponse_ServingStatus.SERVING);
  // What is lost later is lost to all replicas alike: who calls is told so, rather than finding nobody.
  rmSync(join(data, "fine"));
  await systemClock.sleep(1500);
  expect(await status()).toBe(HealthCheckResponse_ServingStatus.SERVING);
});

test("hot settings change while it runs; what is bad or not hot is a warning", async () => {
  const data = join(processes.dataDir, "data");
  const service = processes.start({ WEFT_LOG_LEVEL: "warn" });
  const { grpc } = await service.ready;
  await using stack = new AsyncDisposableStack();
  const store = stack.use(await openEmbeddedConfiguration({ dataDir: data }));
  await store.set("grpcPort", "7");
  await store.set("fixture.colour", "");
  await store.set("logLevel", "loud");
  await service.says("a setting is not valid: the last good value stays in use");
  expect(service.lines.map(({ level, setting, problems }) => ({ level, setting, problems }))).toContainEqual({
    ...{ level: "warn", setting: "logLevel" },
    problems: ['logLevel "loud" is not one of debug, info, warn, error, fatal'],
  });
  expect(service.lines.filter(({ setting }) => setting === "grpcPort")).toHaveLength(1);

  // In this order: by the level before, a change is not worth a line.
  await store.set("logLevel", "debug");
  await store.set("fixture.colour", "blue");
  await service.says("trace colour blue");
  expect(service.messages).toContain("a setting changed");
  const caller = stack.use(callTo(grpc));
  await caller.login(0);
  await service.says("call");
  await store.set("fixture.colour", "green");
  await service.says("trace colour green");
  await store.set("logLevel", undefined);
  await within(limitMs, "the level is what it was started with", async () => {
    const before = service.lines.length;
    await caller.login(0);
    await systemClock.sleep(50);
    return service.lines.length === before;
  });
  service.child.kill("SIGTERM");
  expect(await service.exit).toBe(0);
});

test("how others are called, and how overload is met, changes while it runs", async () => {
  const service = processes.start({ WEFT_CALLS: '{"*":{"balancing":{"policy":"least-request"}}}' });
  const { admin, instance } = await service.ready;
  const report = async () => (await (await fetch(`http://${admin}/targets`)).json()) as CallsReport;
  expect(await report()).toMatchObject({
    ...{ service: "fixture", instance },
    // What its other listener refused counts as its own.
    server: { score: 0, degraded: false, inFlight: 0, shed: { critical: 0, interactive: 2, batch: 1 } },
    targets: [{ target: "peer", policy: "least-request", endpoints: [], breakers: [] }],
  });
  const policyIs = (policy: string): Promise<void> =>
    within(limitMs, policy, async () => (await report()).targets[0]?.policy === policy);
  await using store = await openEmbeddedConfiguration({ dataDir: join(processes.dataDir, "data") });
  await store.set("calls.peer.balancing.policy", '"round-robin"');
  await policyIs("round-robin");
  expect(service.lines).toContainEqual(expect.objectContaining({ decision: "policy", target: "peer" }));

  await store.set("calls.peer.balancing.policy", '"robin"');
  await service.says("a setting is not valid: the last good value stays in use");
  expect((await report()).targets[0]?.policy).toBe("round-robin");
  await store.set("calls.peer.balancing.policy", undefined);
  await policyIs("least-request");

  await store.set("overload", '{"concurrency":{"maxLimit":50}}');
  await within(limitMs, "a lower limit", async () => (await report()).server?.limit === 50);
});

test("settings of the configuration block hold from the start", async () => {
  await using stack = new AsyncDisposableStack();
  const data = join(processes.dataDir, "data");
  mkdirSync(data);
  const store = stack.use(await openEmbeddedConfiguration({ dataDir: data }));
  await store.set("fixture.colour", "blue");
  const service = processes.start();
  await service.ready;
  const { messages } = service;
  expect(messages.indexOf("trace colour blue")).toBeGreaterThan(messages.indexOf("trace compose"));
  expect(messages.indexOf("trace colour blue")).toBeLessThan(messages.indexOf("trace listen"));
});

test("without a configuration block that can be reached it starts, and goes on", async () => {
  const service = processes.start({ WEFT_CONFIGURATION: "consul://127.0.0.1:1" });
  const { grpc } = await service.ready;
  await using caller = callTo(grpc);
  expect((await caller.login(0)).accessToken).toBe("a");
  service.child.kill("SIGTERM");
  expect(await service.exit).toBe(0);
});
