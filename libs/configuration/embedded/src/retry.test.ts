import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Clock, systemClock } from "@weft/kit";
import { Recorder, within } from "@weft/kit/testing";
import { SqliteFile } from "@weft/sqlite";
import { expect, test } from "vitest";
import { schema } from "./configuration.ts";
import { openEmbeddedConfiguration } from "./index.ts";

test("a watch that can't read tries again at one time, however often it is woken meanwhile", async () => {
  await using stack = new AsyncDisposableStack();
  const dataDir = await mkdtemp(join(tmpdir(), "weft-configuration-"));
  stack.defer(() => rm(dataDir, { recursive: true }));
  let sleeping = 0;
  let most = 0;
  const clock: Clock = {
    ...systemClock,
    sleep: (ms, signal) => {
      most = Math.max(most, (sleeping += 1));
      return systemClock.sleep(ms, signal).finally(() => (sleeping -= 1));
    },
  };
  const store = stack.use(await openEmbeddedConfiguration({ dataDir, clock }));
  await store.set("colour", "blue");
  const end = new AbortController();
  const updates = new Recorder(store.watch(["colour"], end.signal));
  await updates.until(2000, "the first items", ({ items }) => items.size === 1);

  using file = new SqliteFile({ path: join(dataDir, "configuration.db"), schema });
  let commits = 0;
  using _seen = file.onChange(() => (commits += 1));
  file.transaction(() => file.run("ALTER TABLE item RENAME TO away"));
  await updates.until(2000, "stale items", ({ stale }) => stale);
  for (let count = 1; count <= 5; count += 1) {
    const before = commits;
    file.transaction(() => file.run("UPDATE counter SET value = value + 1"));
    await within(2000, "the commit is seen", () => commits > before);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  file.transaction(() => file.run("ALTER TABLE away RENAME TO item"));
  await updates.until(2000, "items again", ({ stale, items }) => !stale && items.size === 1);
  expect(most).toBe(1);
  end.abort();
  await updates.ended;
});
