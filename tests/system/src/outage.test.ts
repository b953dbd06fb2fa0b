import { setTimeout as sleep } from "node:timers/promises";
import { startTestPostgres } from "@weft/sql-postgres/testing";
import { expect, test } from "vitest";
import { startMesh } from "./mesh.ts";
import { allIndexed, firstUser, Load, recovered, summary, usualCalls, warningsSince } from "./outage.ts";

test(
  "PostgreSQL is killed: user calls fail fast with a reason, the others go on, and all is well when it is back",
  { timeout: 180_000 },
  async () => {
    await using postgres = await startTestPostgres();
    await using mesh = await startMesh({
      env: { WEFT_SQL: (await postgres.freshDatabase({ logsAtOnce: true })).reveal() },
    });
    const load = new Load(usualCalls(mesh, await firstUser(mesh)));
    load.start();
    const steadyAt = await recovered(load, 30_000);
    const [cutAt, since] = [performance.now(), Date.now()];
    await postgres.kill();
    const awayAt = performance.now();
    await sleep(10_000);
    const backAt = performance.now();
    await postgres.start();
    const startedAt = performance.now();
    const wellAt = await recovered(load, 30_000);
    expect(wellAt - startedAt).toBeLessThan(5000);
    await load.end();

    const told = (from: number, to: number) => JSON.stringify(summary(load.between(from, to)), undefined, 2);
    const during = load.between(awayAt, backAt);
    const ofUsers = during.filter(({ name }) => name.endsWith("user"));
    expect(ofUsers.length, told(awayAt, backAt)).toBeGreaterThan(50);
    for (const { status, reason, tookMs } of ofUsers) {
      expect(status, told(awayAt, backAt)).toBe(503);
      expect(reason, told(awayAt, backAt)).toBeOneOf(["UNAVAILABLE", "BREAKER_OPEN"]);
      expect(tookMs, told(awayAt, backAt)).toBeLessThan(2500);
    }
    for (const { name, status } of load.between(steadyAt, Infinity)) {
      if (!name.endsWith("user")) expect(status, told(steadyAt, Infinity)).toBe(200);
    }
    for (const { status } of [...load.between(steadyAt, cutAt - 500), ...load.between(wellAt, Infinity)]) {
      expect(status, told(wellAt, Infinity)).toBeLessThan(300);
    }
    await allIndexed(mesh, load);
    const warnings = await warningsSince(mesh, since);
    expect(new Set(warnings.map(({ decision }) => decision))).toContain("breaker");
    const others = warnings.filter(({ decision }) => decision === "");
    expect(others.map(({ service, msg }) => `${service}: ${msg}`).sort()).toEqual([
      "user: a connection to the database was lost",
      "user: events wait in the outbox",
      "user: the connection that listens to the database was lost",
    ]);
  },
);
