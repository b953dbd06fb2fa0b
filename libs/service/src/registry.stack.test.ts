import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type FaultProxy, openProxy, within } from "@weft/kit/testing";
import { freePorts } from "@weft/native";
import { describeBackend } from "@weft/native/testing";
import { callTo, limitMs, type Process, useProcesses } from "./testing/process.ts";

/** What Consul lists by itself, not over the way that the process has to it. */
async function listed(port: number, namespace: string): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${port}/v1/health/service/${namespace}-fixture?passing`);
  return ((await answer.json()) as unknown[]).length;
}

describeBackend("consul", (server) => {
  const processes = useProcesses();

  test("a registry that answers nothing holds up no stop, and costs no call in flight", async () => {
    await using proxy = await openProxy(server().port);
    const service = processes.start({ WEFT_DISCOVERY: `consul://127.0.0.1:${proxy.port}` });
    const { grpc } = await service.ready;
    await using caller = callTo(grpc);
    await proxy.stall();
    // A beat is under way from now on nearly all the time, and a process that leaves waits for it.
    await service.says("heartbeats fail; they will be tried on");
    const answer = caller.login(3500);
    await service.says("trace call begins");
    service.child.kill("SIGTERM");
    expect((await answer).accessToken).toBe("a");
    expect(await service.exit).toBe(0);
    expect(service.messages).toContain("trace background ends");
    expect(service.messages.at(-1)).toBe("stopped");
  });

  /** One that waits for what it depends on, and will then find that its registry takes its time. */
  async function startBehind(proxy: FaultProxy, namespace: string) {
    const [grpcPort, adminPort] = await freePorts(2);
    const service: Process = processes.start({
      WEFT_DISCOVERY: `consul://127.0.0.1:${proxy.port}?namespace=${namespace}`,
      WEFT_FIXTURE_FAULT: "unready",
      WEFT_READY_TIMEOUT_MS: String(limitMs),
      WEFT_GRPC_PORT: String(grpcPort),
      WEFT_ADMIN_PORT: String(adminPort),
    });
    await service.says("trace background begins");
    await proxy.slow(1300);
    return {
      service,
      grpc: `127.0.0.1:${grpcPort}`,
      readyz: async () => (await fetch(`http://127.0.0.1:${adminPort}/readyz`)).status,
      register: () => writeFileSync(join(processes.dataDir, "data/fine"), ""),
    };
  }

  test("/readyz is 200 once others can find it, and no sooner", async () => {
    await using proxy = await openProxy(server().port);
    const { service, readyz, register } = await startBehind(proxy, "readyz");
    register();
    await within(limitMs, "200", async () => (await readyz()) === 200);
    expect(await listed(server().port, "readyz")).toBe(1);
    await service.ready;
  });

  test("a stop that comes while it registers takes it out of the registry before calls in flight have ended", async () => {
    await using proxy = await openProxy(server().port);
    const { service, grpc, register } = await startBehind(proxy, "stop");
    await using caller = callTo(grpc);
    await caller.login(0);
    register();
    // Consul has heard of it, and it has not heard of Consul.
    await within(limitMs, "the entry", async () => (await listed(server().port, "stop")) === 1);
    const answer = caller.login(4000);
    await within(limitMs, "a call in flight", () => service.messages.filter((one) => one === "trace call begins").length === 2); // prettier-ignore
    service.child.kill("SIGTERM");
    await proxy.restore();
    await within(limitMs, "the registry without it", async () => (await listed(server().port, "stop")) === 0);
    expect(service.messages).not.toContain("trace background ends");
    expect((await answer).accessToken).toBe("a");
    expect(await service.exit).toBe(0);
  });
});
