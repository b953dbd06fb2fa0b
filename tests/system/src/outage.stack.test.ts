import { setTimeout as sleep } from "node:timers/promises";
import type { NativeServer } from "@weft/native";
import { openProxy } from "@weft/kit/testing";
import { describeBackend } from "@weft/native/testing";
import { expect, test } from "vitest";
import { type Mesh, type MeshProcess, startMesh } from "./mesh.ts";
import {
  allIndexed,
  firstUser,
  isDegraded,
  Load,
  type LogLine,
  recovered,
  type Result,
  summary,
  usualCalls,
  warningsSince,
} from "./outage.ts";

/** How long a server is away, in milliseconds. */
const awayMs = 30_000;

interface Outage {
  readonly before: readonly Result[];
  readonly during: readonly Result[];
  /** From the moment that everything works again. */
  readonly after: readonly Result[];
  readonly warnings: readonly LogLine[];
  /** Services whose `/readyz` said no in the middle of it. */
  readonly unready: readonly string[];
}

/** Kills the server under load for a while; in the end every user who was accepted is in the index and welcomed once. */
async function killUnderLoad(mesh: Mesh, server: NativeServer): Promise<Outage> {
  const load = new Load(usualCalls(mesh, await firstUser(mesh)));
  const processes = await mesh.status();
  load.start();
  // A server that has just been started is slow at first.
  const steadyAt = await recovered(load, 60_000);
  const [beforeAt, since] = [performance.now(), Date.now()];
  await server.kill();
  const goneAt = performance.now();
  await sleep(awayMs / 2);
  const unready = await unreadyOf(processes);
  await sleep(awayMs / 2);
  const backAt = performance.now();
  await server.start();
  const startedAt = performance.now();
  const wellAt = await recovered(load, 60_000);
  await load.end();
  console.info(summary(load.between(goneAt, backAt)), summary(load.between(wellAt, Infinity)));
  await allIndexed(mesh, load);
  const [workMs, caughtUpMs] = [wellAt - startedAt, performance.now() - startedAt];
  console.info(
    `all calls work after ${workMs.toFixed(0)} ms, everybody is indexed and welcomed after ${caughtUpMs.toFixed(0)} ms`,
  );
  return {
    before: load.between(steadyAt, beforeAt - 1000),
    during: load.between(goneAt, backAt),
    after: load.between(wellAt, Infinity),
    warnings: await warningsSince(mesh, since),
    unready,
  };
}

async function unreadyOf(processes: readonly MeshProcess[]): Promise<readonly string[]> {
  const answers = processes.map(async ({ service, admin }): Promise<readonly string[]> => {
    const { ok } = await fetch(`http://${admin}/readyz`, { signal: AbortSignal.timeout(5000) });
    return ok ? [] : [service];
  });
  return (await Promise.all(answers)).flat().toSorted();
}

/** Everything of these kinds succeeded. */
function succeeded(results: readonly Result[], ...names: readonly string[]): void {
  const ofNames = results.filter(({ name }) => names.includes(name));
  expect(new Set(ofNames.map(({ name }) => name)).size).toBe(names.length);
  const failed = ofNames.filter(({ status }) => status < 200 || status >= 300);
  expect(failed, JSON.stringify(summary(ofNames), undefined, 2)).toEqual([]);
}

/** Everything of this kind failed within `ms`, and said that something is away. */
function failedFast(results: readonly Result[], name: string, ms: number): void {
  const ofName = results.filter((one) => one.name === name);
  expect(ofName.length).toBeGreaterThan(0);
  const others = ofName.filter(
    ({ status, reason, tookMs }) => ![503, 504].includes(status) || reason === "" || tookMs > ms,
  );
  expect(others, JSON.stringify(summary(ofName), undefined, 2)).toEqual([]);
}

/** An outage is some lines, and not some for each call. */
function isTold({ warnings }: Outage): void {
  const [decisions, others] = [true, false].map((isOne) =>
    warnings.filter(({ decision }) => (decision !== "") === isOne),
  );
  const texts = warnings.map(({ service, msg }) => `${service}: ${msg}`);
  const counts = [...Map.groupBy(texts, (text) => text)].map(([text, all]) => `${all.length} × ${text}`);
  console.info(counts);
  expect(others?.length, counts.join("\n")).toBeLessThan(40);
  // What callers decide for themselves meanwhile.
  expect(decisions?.length, counts.join("\n")).toBeLessThan(15);
}

const all = ["create user", "get user", "search", "notifications"];
const limit = { timeout: 360_000 };

describeBackend("consul", (server) => {
  test("the agent is killed: no call fails", limit, async () => {
    await using mesh = await startMesh({ env: { WEFT_DISCOVERY: server().url } });
    const outage = await killUnderLoad(mesh, server());
    for (const results of [outage.before, outage.during, outage.after]) succeeded(results, ...all);
    expect(outage.unready).toEqual([]);
    isTold(outage);
  });
});

describeBackend("kafka", (server) => {
  test("the broker is killed: users are made all the same, and their events follow", limit, async () => {
    await using mesh = await startMesh({ env: { WEFT_PUBSUB: server().url } });
    const outage = await killUnderLoad(mesh, server());
    for (const results of [outage.before, outage.during, outage.after]) succeeded(results, ...all);
    expect(outage.unready).toEqual([]);
    isTold(outage);
  });
});

describeBackend("redis", (server) => {
  test("the server is killed: searches go on without a cache, and notifications say what is wrong", limit, async () => {
    await using mesh = await startMesh({ env: { WEFT_STATE: server().url, WEFT_LOCK: server().url } });
    const outage = await killUnderLoad(mesh, server());
    succeeded(outage.before, ...all);
    succeeded(outage.during, "create user", "get user", "search");
    const searches = outage.during.filter(({ name }) => name === "search").map(({ tookMs }) => tookMs);
    expect(searches.toSorted((a, b) => a - b)[Math.floor(searches.length / 2)]).toBeLessThan(100);
    failedFast(outage.during, "notifications", 2500);
    succeeded(outage.after, ...all);
    expect(outage.unready).toEqual(["notification"]);
    isTold(outage);
  });

  test("the server goes silent: a search waits for it hardly and seldom", limit, async () => {
    await using proxy = await openProxy(server().port);
    await using mesh = await startMesh({ env: { WEFT_STATE: `redis://127.0.0.1:${proxy.port}?namespace=silent` } });
    const load = new Load(usualCalls(mesh, await firstUser(mesh)));
    load.start();
    await sleep(5000);
    const silentAt = performance.now();
    await proxy.stall();
    await sleep(10_000);
    const backAt = performance.now();
    await proxy.restore();
    await sleep(10_000);
    await load.end();
    const during = load.between(silentAt, backAt);
    console.info(summary(during));
    succeeded(load.between(0, Infinity), "create user", "get user", "search");
    const searches = during.filter(({ name }) => name === "search").map(({ tookMs }) => tookMs);
    expect(searches.toSorted((a, b) => a - b)[Math.floor(searches.length / 2)]).toBeLessThan(100);
    succeeded(load.between(backAt + 5000, Infinity), ...all);
    await allIndexed(mesh, load);
  });
});

describeBackend("elasticsearch", (server) => {
  test("the server is killed: queries are answered as degraded, and indexing catches up", limit, async () => {
    await using mesh = await startMesh({ env: { WEFT_SEARCH: server().url } });
    const outage = await killUnderLoad(mesh, server());
    succeeded(outage.before, ...all);
    succeeded(outage.during, "create user", "get user", "notifications");
    const searches = outage.during.filter(({ name }) => name === "search");
    succeeded(searches, "search");
    expect(searches.filter(({ body, tookMs }) => !isDegraded(body) || tookMs > 2500)).toEqual([]);
    succeeded(outage.after, ...all);
    expect(outage.unready).toEqual(["indexer", "search"]);
    isTold(outage);
  });
});
