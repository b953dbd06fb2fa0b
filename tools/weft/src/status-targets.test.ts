import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { EndpointStatus } from "@weft/rpc";
import type { TargetStatus } from "@weft/service";
import { expect, test } from "vitest";
import { callsOf, details, summary } from "./status-targets.ts";

const plain = (_: unknown, text: string): string => text;

function instance(id: string, over: Partial<EndpointStatus> = {}): EndpointStatus {
  return {
    ...{ id, address: `127.0.0.1:${id}`, version: "1.0.0", state: "eligible", connection: "connected" },
    ...{ weight: 1, inFlight: 2, latencyMs: 12.34, failureShare: 0, ...over },
  };
}

function target(name: string, endpoints: readonly EndpointStatus[], over: Partial<TargetStatus> = {}): TargetStatus {
  return {
    ...{ target: name, policy: "p2c-ewma", isPanic: false, listed: endpoints.length, stale: false, endpoints },
    ...{ breakers: [], inside: { calls: 0, streams: 0 }, settings: {}, ...over },
  };
}

test("an instance is one line, whoever calls it; who sees it otherwise is named with the reason", () => {
  const sick = { state: "ejected", reason: "consecutive failures", readmittedInMs: 22_400, failureShare: 0.8 } as const;
  const callers = [
    { name: "gateway", targets: [target("user", [instance("2", sick), instance("1", { weight: 0.5 })])] },
    { name: "search", targets: [target("user", [instance("1"), instance("2")])] },
    { name: "indexer", targets: [] },
  ];
  expect(summary(callers, plain).map((line) => line.split(/ {2,}/))).toEqual([
    ["TARGET", "ADDRESS", "VERSION", "STATE", "WEIGHT", "CALLS", "LATENCY", "FAILED"],
    ["user", "127.0.0.1:1", "1.0.0", "eligible", "0.75", "4", "12 ms", "0 %"],
    ["user", "127.0.0.1:2", "1.0.0", "ejected for 23 s: consecutive failures (gateway)", "1", "4", "12 ms", "80 %"],
  ]);
});

test("nobody called is nothing to show", () => {
  expect(summary([{ name: "user", targets: [] }], plain)).toEqual([]);
  expect(details([{ name: "user", targets: [] }], undefined, plain)).toHaveLength(1);
});

test("what is out of the ordinary stands below: breakers that are not closed, panic, an old list", () => {
  const breakers = [
    { method: "a.B/C", state: "closed" },
    { method: "a.B/D", state: "half-open" },
  ] as const;
  const callers = [
    { name: "gateway", targets: [target("user", [instance("1")], { breakers, isPanic: true, stale: true })] },
  ];
  expect(summary(callers, plain).slice(2)).toEqual([
    "gateway: the breaker of a.B/D is half-open",
    "gateway: too few instances of user are well, so all of them get calls",
    "gateway: the registry is away, and the list of user an old one",
  ]);
});

test("each caller's view, with its breakers, of one service alone if asked", () => {
  const breakers = [{ method: "a.B/C", state: "open" }] as const;
  const lost = instance("7", { state: "unavailable", connection: "unreachable", zone: "b" });
  const callers = [
    { name: "gateway", targets: [target("user", [instance("1")], { breakers }), target("search", [instance("9")])] },
    { name: "search", targets: [target("user", [lost])] },
  ];
  const lines = details(callers, "user", plain);
  expect(lines[0]).toMatch(/^CALLER +TARGET +POLICY +ADDRESS +VERSION +ZONE +STATE +CONNECTION .* INSTANCE$/);
  expect(lines[1]).toMatch(/^gateway +user +p2c-ewma +127.0.0.1:1 +1.0.0 +eligible +connected +1 +2 +12 ms +0 % +1$/);
  expect(lines[2]).toMatch(/^search +user +p2c-ewma +127.0.0.1:7 +1.0.0 +b +unreachable +unreachable /);
  expect(lines.slice(3)).toEqual(["", expect.stringMatching(/^CALLER +TARGET/), "gateway  user    a.B/C   open"]);
});

test("each caller's settings that are not the default", () => {
  const settings = { retry: { maxTries: 1 }, split: { "2.0.0": 10 } };
  const callers = [{ name: "gateway", targets: [target("user", [instance("1")], { settings }), target("search", [])] }];
  expect(details(callers, undefined, plain).slice(2)).toEqual([
    "",
    "CALLER   TARGET  SETTING  VALUE",
    'gateway  user    retry    {"maxTries":1}',
    'gateway  user    split    {"2.0.0":10}',
  ]);
});

test("a process is asked by its admin port; one that does not say is left out", async () => {
  const server = createServer((request, response) => {
    const isAsked = request.url === "/targets";
    response.end(isAsked ? JSON.stringify({ service: "a", instance: "b", targets: [target("user", [])] }) : "no");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const { port } = server.address() as AddressInfo; // It listens on TCP.
    expect((await callsOf(`127.0.0.1:${port}`)).targets).toMatchObject([{ target: "user" }]);
    expect(await callsOf(`127.0.0.1:${port}/x`)).toEqual({ targets: [] });
    expect(await callsOf("")).toEqual({ targets: [] });
    expect(await callsOf("127.0.0.1:1")).toEqual({ targets: [] });
  } finally {
    server.close();
  }
});
