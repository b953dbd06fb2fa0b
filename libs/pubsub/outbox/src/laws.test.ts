import { afterAll, beforeAll } from "vitest";
import { describeLaws } from "@weft/kit/testing";
import type { SqlDatabase } from "@weft/sql";
import { openPostgres } from "@weft/sql-postgres";
import { startTestPostgres, type TestPostgres } from "@weft/sql-postgres/testing";
import { openFixture, withLog } from "./fixture.ts";
import { lawsOf } from "./laws.ts";
import { Unseen } from "./unseen.ts";

/** How many histories of each; one that fails is printed with its seed. */
const runs = Number(process.env["WEFT_OUTBOX_RUNS"] ?? 10);

let postgres: TestPostgres;
beforeAll(async () => {
  postgres = await startTestPostgres();
}, 60_000);
afterAll(() => postgres[Symbol.asyncDispose]());

async function open(): Promise<SqlDatabase<unknown>> {
  return openPostgres<unknown>({ url: await postgres.freshDatabase({ logsAtOnce: true }), poolSize: 20 });
}

describeLaws("the relay `table`", lawsOf("table", runs), () => openFixture(open, "table"));

describeLaws("the relay `table` with more gaps than it tells apart", lawsOf("table", runs), () =>
  openFixture(open, "table", { unseen: () => new Unseen(1) }),
);

describeLaws("the relay `replication`", lawsOf("replication", runs), () => openFixture(open, "replication"));

/** Confirms one batch late. */
const confirmsLate = withLog((right) => {
  let last = 0n;
  return {
    confirm: (position) => {
      if (last > 0n) right.confirm(last);
      last = position;
    },
  };
});

describeLaws("the relay `replication` whose leaders die before they confirm", lawsOf("replication", runs), () =>
  openFixture(open, "replication", confirmsLate),
);
