import { afterAll, beforeAll } from "vitest";
import { describeFaults, type FaultyServer, openProxy } from "@weft/kit/testing";
import { sqlOperations } from "@weft/sql/conformance";
import { openPostgres } from "./postgres.ts";
import { throughPort } from "./proxied.fixture.ts";
import { runStatement, startTestPostgres, type TestPostgres } from "./testing.ts";

let postgres: TestPostgres;
beforeAll(async () => {
  postgres = await startTestPostgres();
}, 60_000);
afterAll(() => postgres[Symbol.asyncDispose]());

/** What a hosted server does when its disk is full: it goes on, and takes no writes. The pool's limit is law Q3. */
async function fill(): Promise<{ empty(): Promise<void> }> {
  const readOnly = async (value: "on" | "off"): Promise<void> => {
    await runStatement(postgres.url, `alter system set default_transaction_read_only = ${value}`);
    await runStatement(postgres.url, "select pg_reload_conf()");
  };
  await readOnly("on");
  return { empty: () => readOnly("off") };
}

const server: FaultyServer = { kill: () => postgres.kill(), start: () => postgres.start(), fill };

describeFaults("postgres bears faults", sqlOperations, async () => {
  const stack = new AsyncDisposableStack();
  const url = await postgres.freshDatabase({ logsAtOnce: true });
  const proxy = stack.use(await openProxy(Number(new URL(url.reveal()).port)));
  const limits = { acquireTimeoutMs: 1000, statementTimeoutMs: 1000 };
  const block = stack.use(await openPostgres<unknown>({ url: throughPort(url, proxy.port), ...limits }));
  const dispose = (): Promise<void> => stack.disposeAsync();
  return { block, proxy, server, deadlineMs: 5000, recoveryMs: 10_000, [Symbol.asyncDispose]: dispose };
});
