import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import { Secret } from "@weft/kit";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "./embedded/server.ts";

/** A real server for the tests of one file. Disposing stops it and removes its folder. */
export interface TestPostgres extends AsyncDisposable {
  /** Of the superuser. */
  readonly url: Secret;
  /** Its folder, as `startEmbeddedPostgres` was given it. */
  readonly dataDir: string;
  /**
   * URL of a new, empty database. With `logsAtOnce` its commits are in the server's log when they are answered, as
   * elsewhere: for readers of the log, who wait for that, and where the server is killed, which else forgets the last ones.
   */
  freshDatabase(options?: { readonly logsAtOnce?: boolean }): Promise<Secret>;
  /** Ends it with SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  /** Starts it again after that, on the same port with the same data. */
  start(): Promise<void>;
}

export async function startTestPostgres(): Promise<TestPostgres> {
  const dataDir = await mkdtemp(join(tmpdir(), "weft-postgres-"));
  const server = new TestServer(dataDir, await startEmbeddedPostgres({ dataDir }));
  // It does not outlive its machine: no need to wait for the disk.
  for (const name of ["fsync", "synchronous_commit", "full_page_writes"]) {
    await runStatement(server.url, `alter system set ${name} = off`);
  }
  await runStatement(server.url, "select pg_reload_conf()");
  return server;
}

/** Runs one statement on a connection of its own. */
export async function runStatement(url: Secret, statement: string): Promise<void> {
  const client = new Client({ connectionString: url.reveal() });
  await client.connect();
  await client.query(statement).finally(() => client.end());
}

/**
 * From here on a commit is in the log of a server and can't be seen, as it is for a moment otherwise: it waits for a
 * standby that is not there. Only of databases whose commits wait, see `logsAtOnce`. Answers how to let them go; `tryOne`
 * commits something, and is called until it waits.
 */
export async function holdCommits(url: Secret, tryOne: () => Promise<unknown>): Promise<() => Promise<void>> {
  const standby = async (name: string): Promise<void> => {
    await runStatement(url, `alter system set synchronous_standby_names = '${name}'`);
    await runStatement(url, "select pg_reload_conf()");
  };
  await standby("nobody");
  for (;;) {
    const trying = tryOne();
    const waits = await Promise.race([trying.then(() => false), sleep(500, true)]);
    if (!waits) continue;
    return async () => {
      await standby("");
      await trying;
    };
  }
}

class TestServer implements TestPostgres {
  readonly dataDir: string;
  readonly url: Secret;
  #server: EmbeddedPostgres;
  #databases = 0;

  constructor(dataDir: string, server: EmbeddedPostgres) {
    this.dataDir = dataDir;
    this.url = server.url;
    this.#server = server;
  }

  async freshDatabase({ logsAtOnce = false } = {}): Promise<Secret> {
    const name = `test_${(this.#databases += 1)}`;
    await runStatement(this.url, `create database ${name} strategy file_copy`);
    if (logsAtOnce) await runStatement(this.url, `alter database ${name} set synchronous_commit = on`);
    const url = new URL(this.url.reveal());
    url.pathname = `/${name}`;
    return new Secret(url.href);
  }

  async kill(): Promise<void> {
    process.kill(this.#server.pid, "SIGKILL");
    await this.#server.ended;
  }

  async start(): Promise<void> {
    this.#server = await startEmbeddedPostgres({ dataDir: this.dataDir });
    if (this.#server.url.reveal() !== this.url.reveal()) throw new Error("its port was taken meanwhile");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]();
    await rm(this.dataDir, { recursive: true, force: true });
  }
}
