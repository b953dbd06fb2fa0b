import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readlink, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { SqliteFile } from "./index.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "weft-sqlite-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const schema = ["CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)"];

test("a transaction that throws leaves nothing behind", () => {
  using file = new SqliteFile({ path: join(folder, "a.db"), schema });
  expect(() =>
    file.transaction(() => {
      file.run("INSERT INTO item (name) VALUES (?)", "one");
      throw new Error("no");
    }),
  ).toThrow("no");
  expect(file.all("SELECT * FROM item")).toEqual([]);
  file.transaction(() => file.run("INSERT INTO item (name) VALUES (?)", "two"));
  expect(file.get("SELECT name FROM item")).toEqual({ name: "two" });
});

test("schema steps are applied once, later ones on top", () => {
  const path = join(folder, "b.db");
  new SqliteFile({ path, schema })[Symbol.dispose]();
  using file = new SqliteFile({ path, schema: [...schema, "ALTER TABLE item ADD COLUMN size INTEGER"] });
  expect(file.all("SELECT size FROM item")).toEqual([]);
  expect(() => new SqliteFile({ path, schema })).toThrow(/newer version/);
});

test("the files are for nobody else on the machine, and neither is a folder made for them", async () => {
  const under = join(folder, "data");
  using file = new SqliteFile({ path: join(under, "a.db"), schema });
  file.run("INSERT INTO item (name) VALUES ('x')");
  const names = await readdir(under);
  expect(names.sort()).toEqual(["a.db", "a.db-shm", "a.db-wal"]);
  const modes = await Promise.all(["", ...names].map(async (name) => (await stat(join(under, name))).mode & 0o777));
  expect(modes).toEqual([0o700, 0o600, 0o600, 0o600]);
});

test.runIf(process.platform === "linux")("a file that can't be used is not held open", async () => {
  const path = join(folder, "broken.db");
  await writeFile(path, "this is no database, and long enough to be looked at: ".repeat(100));
  expect(() => new SqliteFile({ path, schema })).toThrow(/damaged/);
  const fds = await readdir("/proc/self/fd");
  const open = await Promise.all(fds.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => "")));
  expect(open).not.toContain(path);
});

test("a file that is no database, and a folder that can't be written, are clear errors", () => {
  expect(() => new SqliteFile({ path: import.meta.filename, schema })).toThrow(/damaged/);
  const under = join(import.meta.filename, "folder", "a.db");
  expect(() => new SqliteFile({ path: under, schema })).toThrow(/the data folder can't be used/);
});

test("a commit of another process wakes a listener", async () => {
  const path = join(folder, "c.db");
  using file = new SqliteFile({ path, schema });
  const woken = Promise.withResolvers<void>();
  using _watch = file.onChange(() => {
    if (file.get("SELECT 1 FROM item") !== undefined) woken.resolve();
  });
  const script = `
    import { SqliteFile } from ${JSON.stringify(join(import.meta.dirname, "index.ts"))};
    using file = new SqliteFile({ path: ${JSON.stringify(path)}, schema: ${JSON.stringify(schema)} });
    file.transaction(() => file.run("INSERT INTO item (name) VALUES ('x')"));
  `;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: "inherit" });
  await once(child, "exit");
  await woken.promise;
  expect(file.get("SELECT name FROM item")).toEqual({ name: "x" });
});

test("a commit of this process wakes a listener, once for many", async () => {
  using file = new SqliteFile({ path: join(folder, "d.db"), schema });
  let calls = 0;
  using _watch = file.onChange(() => (calls += 1));
  for (const name of ["a", "b", "c"]) file.transaction(() => file.run("INSERT INTO item (name) VALUES (?)", name));
  await new Promise((resolve) => setImmediate(resolve));
  expect(calls).toBe(1);
});
