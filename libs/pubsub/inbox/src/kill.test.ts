import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { within } from "@weft/kit/testing";
import type { KeyedEvent } from "@weft/pubsub";
import { openEmbeddedPubSub } from "@weft/pubsub-embedded";
import { openPostgres } from "@weft/sql-postgres";
import { startTestPostgres } from "@weft/sql-postgres/testing";
import { sql } from "kysely";
import { expect, test } from "vitest";
import { effectMigrations } from "./sql.fixture.ts";

const group = "g";
/** Where victims are killed, two at a time: after how many passes of which stage of their handler. */
const deaths = [
  ["recorded 1", "committed 3"],
  ["counted 2", "begun 4"],
  ["committed 1", "counted 5"],
] as const;

/** A consumer that stands still at a stage of its n-th event, and says so, to be killed there. */
const script = `
  const [kit, pubsubs, postgres, inbox, effects, dataDir, url, group, stopAt, number] = process.argv.slice(2);
  const { Secret } = await import(kit);
  const { openEmbeddedPubSub } = await import(pubsubs);
  const { openPostgres } = await import(postgres);
  const { takeInOnce } = await import(inbox);
  const { count } = await import(effects);

  const say = (word) => new Promise((resolve) => process.send(word, resolve));
  let left = Number(number);
  const stage = async (name) => {
    if (name !== stopAt || (left -= 1) !== 0) return;
    await say("here");
    await new Promise(() => {});
  };

  const database = await openPostgres({ url: new Secret(url), poolSize: 10 });
  const pubsub = await openEmbeddedPubSub({ dataDir });
  await pubsub.subscribe({ group, topics: ["t"], sessionTimeoutMs: 1000, handle: async ({ event, key }) => {
    const isNew = await database.transaction(async (transaction) => {
      await stage("begun");
      if (!(await takeInOnce(transaction, { group, event }))) return false;
      await stage("recorded");
      await count(transaction, group, { ...event, key });
      await stage("counted");
      return true;
    });
    await stage("committed");
    if (!isNew) await say("known");
  } });
  await say("ready");
`;

const modules = ["@weft/kit", "@weft/pubsub-embedded", "@weft/sql-postgres", "@weft/inbox"].map((name) =>
  import.meta.resolve(name),
);

test("consumers killed in the middle of handling give each event one effect", { timeout: 120_000 }, async () => {
  await using stack = new AsyncDisposableStack();
  const dataDir = await mkdtemp(join(tmpdir(), "weft-inbox-kill-"));
  stack.defer(() => rm(dataDir, { recursive: true, force: true }));
  const postgres = stack.use(await startTestPostgres());
  const url = await postgres.freshDatabase();
  const database = stack.use(await openPostgres<unknown>({ url }));
  await database.migrate(effectMigrations);
  const pubsub = stack.use(await openEmbeddedPubSub({ dataDir }));
  await pubsub.ensureTopic("t");

  const path = join(dataDir, "consumer.mjs");
  await writeFile(path, script);
  let known = 0;
  const start = async (...death: readonly string[]): Promise<{ child: ChildProcess; isHere: () => boolean }> => {
    const effects = join(import.meta.dirname, "sql.fixture.ts");
    const child = fork(path, [...modules, effects, dataDir, url.reveal(), group, ...death]);
    stack.defer(() => kill(child));
    let isHere = false;
    child.on("message", (word) => {
      if (word === "known") known += 1;
      if (word === "here") isHere = true;
    });
    await once(child, "message");
    return { child, isHere: () => isHere };
  };

  let published = 0;
  const publish = async (): Promise<void> => {
    await pubsub.publish(
      "t",
      Array.from({ length: 10 }, () => event((published += 1))),
    );
  };

  const lag = async (): Promise<bigint> =>
    (await pubsub.lag(group)).reduce((sum, { committed, end }) => sum + end - committed, 0n);

  await start();
  for (const round of deaths) {
    const victims = await Promise.all(round.map((death) => start(...death.split(" "))));
    await within(30_000, `consumers are at ${round.join(" and ")}`, async () => {
      if ((await lag()) < 50n) await publish();
      return victims.every(({ isHere }) => isHere());
    });
    await Promise.all(victims.map(({ child }) => kill(child)));
  }
  await within(30_000, "everything is acknowledged", async () => (await lag()) === 0n);

  const { rows } = await sql<{ id: string; effects: number }>`
    select id, count(*)::int as effects from effects group by id`.execute(database.kysely);
  expect(rows.filter(({ effects }) => effects !== 1)).toEqual([]);
  expect(rows).toHaveLength(published);
  const sums = await sql<{ total: number }>`select sum(total)::int as total from totals`.execute(database.kysely);
  expect(sums.rows[0]?.total).toBe(published);
  expect(known, "deliveries of what had its effect").toBeGreaterThan(0);
  expect(await pubsub.deadLetters({ topic: "t", group })).toEqual([]);
});

function event(number: number): KeyedEvent {
  const id = String(number);
  return {
    key: `k${number % 20}`,
    event: {
      id,
      source: "/s",
      type: "T",
      time: 1,
      dataContentType: "text/plain",
      data: new Uint8Array(8),
      extensions: {},
    },
  };
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = Promise.all([once(child, "disconnect"), once(child, "exit")]);
  child.kill("SIGKILL");
  await gone;
}
