/**
 * A consumer of the harness's own, which is killed as everything else is: it writes one row for each event of users, in
 * one transaction with the record of the event. A process of its own: `ledger-processes.ts` starts it.
 */
import { once } from "node:events";
import { Blocks, type BlockUrls, openPubSub, openSearch, openSql } from "@weft/blocks";
import { readUserEvent, type UserEvent, userTopic } from "@weft/contracts/event";
import { takeInOnce } from "@weft/inbox";
import type { Delivery } from "@weft/pubsub";
import type { SqlDatabase } from "@weft/sql";
import type { Effect } from "./account.ts";
import { type LedgerSchema, ledgerMigrations, writeEffect } from "./ledger-store.ts";

/** Group of the ledgers. */
export const ledgerGroup = "chaos-ledger";

/**
 * Ledgers that are wrong on purpose, for showing that the account sees it. `careless` drops events, writes effects twice
 * and brings back who was deleted; `hasty` acknowledges an event before its effect is written, which shows when it is
 * killed.
 */
export const mutants = ["careless", "hasty"] as const;
export type MutantName = (typeof mutants)[number];

/** What a ledger is told when it is started, as JSON in `CHAOS_LEDGER`. */
export interface LedgerOptions {
  /** Of the mesh; but `sql` is the ledger's own database. */
  readonly urls: BlockUrls;
  readonly dataDir: string;
  readonly mutant?: MutantName;
}

/** How late the hasty one writes, in milliseconds. */
const hastyMs = 1000;

type Handle = (delivery: Delivery) => Promise<void>;

const text = process.env["CHAOS_LEDGER"];
if (text !== undefined) await main(JSON.parse(text) as LedgerOptions);

async function main(options: LedgerOptions): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const { urls, dataDir } = options;
  const blocks = new Blocks({ urls, dataDir, stack });
  const [sql, pubsub] = await Promise.all([openSql<LedgerSchema>(blocks), openPubSub(blocks)]);
  await sql.migrate(ledgerMigrations);
  await pubsub.ensureTopic(userTopic.name, { partitions: userTopic.partitions });
  const handle = options.mutant === undefined ? takingIn(sql) : mutant(options.mutant, sql, blocks);
  const subscription = await pubsub.subscribe({ group: ledgerGroup, topics: [userTopic.name], handle });
  // Whoever started it ends it by ending.
  await Promise.race([once(process, "disconnect"), once(process, "SIGTERM"), subscription.ended]);
  await subscription[Symbol.asyncDispose]();
}

function takingIn(sql: SqlDatabase<LedgerSchema>): Handle {
  return async ({ event }) => {
    const told = readUserEvent(event);
    if (told === undefined) return;
    await sql.transaction(async (transaction) => {
      if (await takeInOnce(transaction, { group: ledgerGroup, event })) await writeEffect(transaction, effectOf(told));
    });
  };
}

function effectOf(event: UserEvent): Effect {
  if (event.kind === "deleted") {
    return { userId: event.id, version: Number(event.version), kind: event.kind, mark: "" };
  }
  const { id, version, bio } = event.user;
  return { userId: id, version: Number(version), kind: event.kind, mark: bio };
}

function mutant(name: MutantName, sql: SqlDatabase<LedgerSchema>, blocks: Blocks): Handle {
  const right = takingIn(sql);
  switch (name) {
    case "hasty":
      return async (delivery) => {
        setTimeout(() => void right(delivery).catch(() => undefined), hastyMs);
      };
    case "careless": {
      let count = 0;
      return async (delivery) => {
        count += 1;
        if (count % 10 === 0) return;
        await right(delivery);
        const told = readUserEvent(delivery.event);
        if (told !== undefined && count % 10 === 5) await writeEffect(sql.kysely, effectOf(told));
        if (told?.kind !== "deleted") return;
        const engine = await openSearch(blocks);
        const document = { id: told.id, name: "back again" };
        await engine.apply("users", [{ kind: "put", id: told.id, version: told.version + 1n, document }]);
      };
    }
  }
}
