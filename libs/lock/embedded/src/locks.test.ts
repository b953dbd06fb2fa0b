import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startProcess } from "@weft/kit/testing";
import { describeLockConformance, type LockFixture } from "@weft/lock/conformance";
import { SqliteFile } from "@weft/sqlite";
import { openEmbeddedLocks } from "./index.ts";
import { schema } from "./table.ts";

describeLockConformance("embedded", openFixture);

async function openFixture(): Promise<LockFixture> {
  const stack = new AsyncDisposableStack();
  const dataDir = await mkdtemp(join(tmpdir(), "weft-lock-"));
  stack.defer(() => rm(dataDir, { recursive: true }));
  return {
    open: async () => stack.use(await openEmbeddedLocks({ dataDir })),
    acquireElsewhere: async (name, options) =>
      stack.use(
        await startProcess(`
          import { openEmbeddedLocks } from ${JSON.stringify(join(import.meta.dirname, "index.ts"))};
          const locks = await openEmbeddedLocks({ dataDir: ${JSON.stringify(dataDir)} });
          const lease = await locks.acquire(${JSON.stringify(name)}, ${JSON.stringify(options ?? {})});
          if (lease === undefined) throw new Error("the lock is held");
        `),
      ),
    cut: async () => {
      rename("lock", "away");
      return { restore: async () => rename("away", "lock") };
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };

  /** A table that is not there fails every read and write, like a file that can't be reached. */
  function rename(from: string, to: string): void {
    using file = new SqliteFile({ path: join(dataDir, "lock.db"), schema });
    file.run(`ALTER TABLE ${from} RENAME TO ${to}`);
  }
}
