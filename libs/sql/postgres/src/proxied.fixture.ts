import { Secret } from "@weft/kit";
import { openProxy } from "@weft/kit/testing";
import type { SqlDatabase } from "@weft/sql";
import type { SqlFixture } from "@weft/sql/conformance";
import { openPostgres } from "./postgres.ts";

type Database = SqlDatabase<unknown>;

/** The same database at another port. */
export function throughPort(url: Secret, port: number): Secret {
  const moved = new URL(url.reveal());
  moved.port = String(port);
  return new Secret(moved.href);
}

/** The suite's fixture on an empty database, behind a proxy. `wrap` may break the handle. */
export async function openProxiedDatabase(
  url: Secret,
  wrap: (database: Database) => Database = (it) => it,
): Promise<SqlFixture> {
  const stack = new AsyncDisposableStack();
  const proxy = stack.use(await openProxy(Number(new URL(url.reveal()).port)));
  const proxied = throughPort(url, proxy.port);
  return {
    open: async (options = {}) => wrap(stack.use(await openPostgres<unknown>({ url: proxied, ...options }))),
    cut: async () => {
      await proxy.cut();
      return () => proxy.restore();
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
