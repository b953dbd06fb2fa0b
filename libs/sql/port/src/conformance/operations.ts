import { sql } from "kysely";
import type { Operation } from "@weft/kit/testing";
import type { SqlDatabase } from "../sql.ts";

const table = {
  name: "0001-operations",
  up: "create table operations (n int)",
};

/** Every way to use a database, for the fault tests of its adapter. */
export const sqlOperations: readonly Operation<SqlDatabase<unknown>>[] = [
  { title: "migrate", writes: true, run: (database) => database.migrate([table]) },
  { title: "a query", writes: false, run: ({ kysely }) => sql`select n from operations limit 1`.execute(kysely) },
  {
    title: "a statement that writes",
    writes: true,
    run: ({ kysely }) => sql`insert into operations values (1)`.execute(kysely),
  },
  {
    title: "a transaction that reads",
    writes: false,
    run: (database) =>
      database.transaction((transaction) => sql`select n from operations limit 1`.execute(transaction)),
  },
  {
    title: "a transaction that writes",
    writes: true,
    run: (database) =>
      database.transaction((transaction) => sql`insert into operations values (2)`.execute(transaction)),
  },
  {
    title: "listen",
    writes: false,
    run: async (database) => {
      await using _listening = await database.listen("operations", () => undefined);
    },
  },
];
