import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { Secret } from "@weft/kit";
import { startEmbeddedPostgres } from "./embedded/server.ts";

/** A real server for the tests of one file. Disposing stops it and removes its folder. */
export interface TestPostgres extends AsyncDisposable {
  /** URL of a new, empty database. */
  freshDatabase(): Promise<Secret>;
}

export async function startTestPostgres(): Promise<TestPostgres> {
  const dataDir = await mkdtemp(join(tmpdir(), "weft-postgres-"));
  const server = await startEmbeddedPostgres({ dataDir });
  // It does not outlive its machine: no need to wait for the disk.
  for (const name of ["fsync", "synchronous_commit", "full_page_writes"])
    await run(server.url, `alter system set ${name} = off`);
  await run(server.url, "select pg_reload_conf()");
  let count = 0;
  return {
    freshDatabase: async () => {
      const name = `test_${(count += 1)}`;
      await run(server.url, `create database ${name} strategy file_copy`);
      const url = new URL(server.url.reveal());
      url.pathname = `/${name}`;
      return new Secret(url.href);
    },
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

async function run(url: Secret, statement: string): Promise<void> {
  const client = new Client({ connectionString: url.reveal() });
  await client.connect();
  await client.query(statement).finally(() => client.end());
}
