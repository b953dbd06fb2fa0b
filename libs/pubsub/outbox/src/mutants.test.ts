import type { KyselyPlugin, RawNode } from "kysely";
import { afterAll, beforeAll } from "vitest";
import { describeMutants, type Mutant } from "@weft/kit/testing";
import type { SqlDatabase } from "@weft/sql";
import { openPostgres } from "@weft/sql-postgres";
import { startTestPostgres, type TestPostgres } from "@weft/sql-postgres/testing";
import { type Changes, openFixture, type OutboxFixture, withLog } from "./fixture.ts";
import { singleLawsOf } from "./laws.ts";
import { type Findings, type IdRange, Unseen } from "./unseen.ts";

let postgres: TestPostgres;
beforeAll(async () => {
  postgres = await startTestPostgres();
}, 60_000);
afterAll(() => postgres[Symbol.asyncDispose]());

async function open(): Promise<SqlDatabase<unknown>> {
  return openPostgres<unknown>({ url: await postgres.freshDatabase({ logsAtOnce: true }), poolSize: 20 });
}

interface Fault extends Omit<Mutant<OutboxFixture>, "open"> {
  readonly changes: Changes;
}

/** Statements of the relay with one text in the place of another. */
function rewriting(from: string, to: string): Changes {
  const rewrite = (node: RawNode): RawNode => ({
    ...node,
    sqlFragments: node.sqlFragments.map((text) => text.replace(from, to)),
  });
  const plugin: KyselyPlugin = {
    transformQuery: ({ node }) => (node.kind === "RawNode" ? rewrite(node) : node),
    transformResult: ({ result }) => Promise.resolve(result),
  };
  const wrap = (right: SqlDatabase<unknown>): Pick<SqlDatabase<unknown>, "transaction"> => ({
    transaction: (work, options) => right.transaction((transaction) => work(transaction.withPlugin(plugin)), options),
  });
  return { sql: wrap };
}

class Cursor extends Unseen {
  override get ranges(): readonly IdRange[] {
    return super.ranges.slice(-1);
  }
}

class ForgetsOpenOnes extends Unseen {
  override found(findings: Findings): void {
    super.found({ ...findings, writers: new Set() });
  }
}

class LooksForGapsLater extends Unseen {
  #turns = 0;

  override get ranges(): readonly IdRange[] {
    return (this.#turns += 1) % 4 === 0 ? super.ranges : super.ranges.slice(-1);
  }
}

/** Each breaks both relays. */
const ofBoth: readonly Fault[] = [
  {
    fault: "an event is acknowledged and deleted before it is published",
    breaks: "O1",
    changes: { publish: (right) => async (topic, events) => void right(topic, events).catch(() => undefined) },
  },
  {
    fault: "events are added outside of their transaction",
    breaks: "O2",
    changes: { addsOutside: true },
  },
  {
    fault: "events of a batch are published in any order",
    breaks: "O3",
    changes: { publish: (right) => (topic, events) => right(topic, events.toReversed()) },
  },
  {
    fault: "nobody is kept from publishing beside another one",
    breaks: "O5",
    changes: rewriting("hashtext(", "(random() * 1e9)::bigint + hashtext("),
  },
];

const ofTable: readonly Fault[] = [
  ...ofBoth,
  { fault: "it keeps a cursor", breaks: "O1", changes: { unseen: () => new Cursor() } },
  {
    fault: "a gap is given up while its transaction is open",
    breaks: "O1",
    changes: { unseen: () => new ForgetsOpenOnes() },
  },
  { fault: "gaps are looked for now and then", breaks: "O3", changes: { unseen: () => new LooksForGapsLater() } },
  {
    fault: "what is published stays in the table",
    breaks: "O4",
    changes: rewriting("delete from weft_outbox where", "delete from weft_outbox where id <> id and"),
  },
];

const ofReplication: readonly Fault[] = [
  ...ofBoth,
  {
    fault: "it confirms what is not published yet",
    breaks: "O1",
    changes: withLog((right) => ({
      read: async (limit, signal) => {
        const read = await right.read(limit, signal);
        if (read.position !== undefined) right.confirm(read.position);
        return read;
      },
    })),
  },
  {
    fault: "it sorts what it reads by id",
    breaks: "O6",
    changes: withLog((right) => ({
      read: async (limit, signal) => {
        const { values, position } = await right.read(limit, signal);
        return { values: values.toSorted((a, b) => Number(a) - Number(b)), position };
      },
    })),
  },
];

function describeAll(kind: OutboxFixture["kind"], faults: readonly Fault[]): void {
  describeMutants(
    `the laws of the relay \`${kind}\` notice`,
    singleLawsOf(kind),
    faults.map(({ changes, ...mutant }) => ({ ...mutant, open: () => openFixture(open, kind, changes) })),
  );
}

describeAll("table", ofTable);
describeAll("replication", ofReplication);
