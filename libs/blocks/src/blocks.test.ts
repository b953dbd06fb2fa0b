import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Secret } from "@weft/kit";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  Blocks,
  blockUrlDefaults,
  type BlockUrls,
  checkBlockUrls,
  openConfiguration,
  openDiscovery,
  openLocks,
  openPubSub,
  openSearch,
  openSecrets,
  openSql,
  openState,
} from "./index.ts";

let dataDir: string;
let stack: AsyncDisposableStack;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "weft-blocks-"));
  stack = new AsyncDisposableStack();
});
afterEach(async () => {
  await stack.disposeAsync();
  await rm(dataDir, { recursive: true });
});

function blocks(urls: Partial<BlockUrls> = {}, folder = dataDir) {
  const env = { WEFT_SECRET_KEY: "s3cret" };
  return new Blocks({ dataDir: folder, urls: { ...blockUrlDefaults("embedded"), ...urls }, stack, env });
}

test("a block is opened once, however many ask at the same time", async () => {
  const opened = blocks();
  const [first, second] = await Promise.all([openDiscovery(opened), openDiscovery(opened)]);
  expect(first).toBe(second);
  expect(await openDiscovery(opened)).toBe(first);
  expect(await openLocks(opened)).toBe(await openLocks(opened));
});

test("blocks are closed with the stack, and none opens after it", async () => {
  const opened = blocks();
  const discovery = await openDiscovery(opened);
  const opening = openConfiguration(opened);
  await stack.disposeAsync();
  await expect(opening).rejects.toMatchObject({ reason: "DRAINING" });
  await expect(openLocks(opened)).rejects.toMatchObject({ reason: "DRAINING" });
  await expect(discovery.list()).rejects.toMatchObject({ reason: "UNAVAILABLE" });
});

test.each([
  [
    "discovery",
    openDiscovery,
    { discovery: "zookeeper://127.0.0.1" },
    "no discovery adapter for 'zookeeper:'; schemes of this version: embedded, consul",
  ],
  [
    "lock",
    openLocks,
    { lock: "etcd://127.0.0.1:2379" },
    "no lock adapter for 'etcd:'; schemes of this version: embedded, redis, rediss, consul",
  ],
  [
    "configuration",
    openConfiguration,
    { configuration: "nonsense" },
    "the configuration URL has no scheme; schemes of this version: embedded, consul",
  ],
  [
    "sql",
    openSql,
    { sql: new Secret("mysql://me:s3cret@host/db") },
    "no sql adapter for 'mysql:'; schemes of this version: embedded, postgres, postgresql",
  ],
  [
    "secrets",
    openSecrets,
    { secrets: "constructor:" },
    "no secrets adapter for 'constructor:'; schemes of this version: env, file",
  ],
] as const)("a URL for %s that no adapter serves says which schemes there are", async (_block, open, urls, message) => {
  await expect(open(blocks(urls))).rejects.toMatchObject({ reason: "INVALID_CONFIGURATION", message });
});

test("every embedded block opens in an empty data folder", async () => {
  const opened = blocks();
  await openDiscovery(opened);
  await openPubSub(opened);
  await openLocks(opened);
  await openSearch(opened);
  await openConfiguration(opened);
  const [first, second] = [await openState(opened, "sessions"), await openState(opened, "inbox")];
  await first.set("key", new Uint8Array([1]));
  expect(await second.get("key")).toBeUndefined();
});

test("embedded SQL without a supervisor says so", async () => {
  await expect(openSql(blocks())).rejects.toMatchObject({ reason: "UNAVAILABLE" });
});

test("an opening that failed is tried again by the next call", async () => {
  const folder = join(dataDir, "in-the-way");
  await writeFile(folder, "a file where the folder should be");
  const opened = blocks({}, folder);
  await expect(openDiscovery(opened)).rejects.toThrow();
  await rm(folder);
  await expect(openDiscovery(opened)).resolves.toBeDefined();
});

test("secrets come from the environment or from a folder", async () => {
  const [fromEnv, folder] = [await openSecrets(blocks()), join(dataDir, "my secrets")];
  expect((await fromEnv.get("key"))?.reveal()).toBe("s3cret");
  await mkdir(folder);
  await writeFile(join(folder, "key"), "other", { mode: 0o600 });
  const fromFiles = await openSecrets(blocks({ secrets: pathToFileURL(folder).href }));
  expect((await fromFiles.get("key"))?.reveal()).toBe("other");
  await expect(openSecrets(blocks({ secrets: "file://host/folder" }))).rejects.toMatchObject({
    reason: "INVALID_CONFIGURATION",
  });
  const bare = new Blocks({ dataDir, urls: blockUrlDefaults("embedded"), stack });
  await expect(openSecrets(bare)).rejects.toMatchObject({ reason: "INVALID_CONFIGURATION" });
});

test("a state store needs a name that can be a file's", async () => {
  for (const name of ["", "../x", "A", "a/b", "-a", "a".repeat(64)]) {
    await expect(openState(blocks(), name)).rejects.toMatchObject({ reason: "INVALID_CONFIGURATION" });
  }
});

test("URLs are checked before anything is opened, all of them", () => {
  expect(() => checkBlockUrls(blockUrlDefaults("embedded"))).not.toThrow();
  const urls = { ...blockUrlDefaults("embedded"), state: "memcached://x", sql: "mysql://secret@x", search: "nonsense" };
  const error = catchError(() => checkBlockUrls(urls));
  expect(error).toMatchObject({ reason: "INVALID_CONFIGURATION" });
  expect(String(error).split("\n").length).toBe(3);
  expect(String(error)).not.toContain("secret");
});

function catchError(work: () => void): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  return undefined;
}

test("every block has a URL in both profiles", () => {
  expect(Object.keys(blockUrlDefaults("stack"))).toEqual(Object.keys(blockUrlDefaults("embedded")));
});
