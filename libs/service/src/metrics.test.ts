import { readFileSync } from "node:fs";
import { join } from "node:path";
import { openEmbeddedConfiguration } from "@weft/configuration-embedded";
import { within } from "@weft/kit/testing";
import { attributes } from "@weft/telemetry";
import { expect, test } from "vitest";
import { callTo, limitMs, useProcesses } from "./testing/process.ts";

const guide = readFileSync(join(import.meta.dirname, "../../../docs/guides/calls.md"), "utf8");

const labels: ReadonlySet<string> = new Set(Object.values(attributes).map((name) => name.replaceAll(".", "_")));

/** The metrics that the guide to calls names: `a_metric`, or `a_metric{its, labels}`. */
const named = [...guide.matchAll(/`((?:rpc|weft)_[a-z_]+)(?:\{[^}]*\})?`/g)].flatMap(([, name]) =>
  name === undefined || labels.has(name) ? [] : [name],
);

const processes = useProcesses();

test("every metric of the guide to calls is there in a process that makes and takes some, with its labels", async () => {
  const overload = { concurrency: { maxLimit: 500 }, degrade: { latencyMs: 1 } };
  const service = processes.start({ WEFT_OVERLOAD: JSON.stringify(overload) });
  const { grpc, admin } = await service.ready;
  await using caller = callTo(grpc);
  const seen = new Set<string>();
  /** With exactly these labels, in this order; undefined where there is none. `part`: of a histogram. */
  const valueOf = async (name: string, labels: Readonly<Record<string, string>> = {}, part = "") => {
    seen.add(name);
    const text = await (await fetch(`http://${admin}/metrics`)).text();
    const list = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
    const start = `${name}${part}${list.length === 0 ? "" : `{${list.join(",")}}`} `;
    const line = text.split("\n").find((one) => one.startsWith(start));
    return line === undefined ? undefined : Number(line.slice(start.length));
  };
  const target = { weft_target: "fixture" };
  const ended = { rpc_service: "weft.user.v1.AuthService", rpc_method: "Login", rpc_grpc_status_code: "OK" };

  const calling = caller.logout(3000);
  await within(limitMs, "a call", async () => (await valueOf("rpc_client_active_requests", target)) === 1);
  await within(limitMs, "a target", async () => (await valueOf("weft_target_instances", { ...target, weft_state: "eligible" })) === 1); // prettier-ignore
  await calling;
  expect(await valueOf("rpc_client_active_requests", target)).toBe(0);
  expect(await valueOf("rpc_client_duration_seconds", { ...target, ...ended }, "_sum")).toBeGreaterThan(2.9);
  expect(await valueOf("rpc_server_duration_seconds", ended, "_count")).toBe(1);
  expect(await valueOf("weft_server_limit")).toBe(500);
  await within(limitMs, "strain", async () => {
    await caller.login(100);
    return ((await valueOf("weft_server_degrade_score")) ?? 0) > 0;
  });
  await using store = await openEmbeddedConfiguration({ dataDir: join(processes.dataDir, "data") });
  await store.set("calls.fixture.retry.maxTries", "2");
  const decision = { weft_decision: "policy", ...target, rpc_service: "", rpc_method: "", weft_reason: "changed" };
  await within(limitMs, "a decision", async () => (await valueOf("weft_decisions_total", decision)) === 1);

  expect([...seen].sort()).toEqual([...new Set(named)].sort());
});
