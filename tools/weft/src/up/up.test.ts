import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "@weft/kit";
import { runCli } from "../cli.ts";
import type { ProcessStatus } from "../status.ts";
import { startTimeOf } from "./folder-lock.ts";

const main = join(import.meta.dirname, "../testing/up/main.ts");
/** Many processes are started here: each compiles what it loads, unless another one did. */
const compileCache = join(import.meta.dirname, "../../../../.cache/compile");
const limitMs = 20_000;

let folder: string;
const started = new Set<Up>();

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "weft-up-"));
});

afterEach(async () => {
  for (const up of started) await up.end();
  started.clear();
  rmSync(folder, { recursive: true });
});

/** `weft up` with test services, in a process group of its own, as a shell would run it. */
class Up {
  readonly child: ChildProcess;
  stdout = "";
  stderr = "";
  readonly exit: Promise<number | null>;

  constructor(options: { replicas?: Record<string, number>; env?: Record<string, string>; json?: boolean } = {}) {
    const { replicas = {}, env = {}, json = false } = options;
    const child = spawn(process.execPath, [main, JSON.stringify(replicas), ...(json ? ["--json"] : [])], {
      cwd: folder,
      env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: compileCache, WEFT_SETTLE_MS: "20", ...env },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    started.add(this);
    this.child = child;
    child.stdout.on("data", (chunk: Buffer) => (this.stdout += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (this.stderr += chunk.toString()));
    this.exit = new Promise((resolve) => child.once("close", resolve));
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  says(text: string | RegExp): Promise<void> {
    const isSaid = () => (typeof text === "string" ? this.stdout.includes(text) : text.test(this.stdout));
    return until(isSaid, () => `it never said ${String(text)}:\n${this.stdout}${this.stderr}`);
  }

  async end(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill("SIGKILL");
    await this.exit;
  }
}

async function until(isSo: () => boolean | Promise<boolean>, problem: () => string): Promise<void> {
  const late = Date.now() + limitMs;
  while (!(await isSo())) {
    if (Date.now() > late) throw new Error(problem());
    await systemClock.sleep(20);
  }
}

/** The CLI within this process. */
async function weft(...argv: string[]) {
  let stdout = "";
  let stderr = "";
  const exitCode = await runCli(argv, {
    env: {},
    cwd: folder,
    stdin: process.stdin,
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: (text) => (stderr += text) },
  });
  return { exitCode, stdout, stderr };
}

async function statusOf(...argv: string[]): Promise<readonly ProcessStatus[]> {
  const { stdout } = await weft("status", "--json", ...argv);
  return (JSON.parse(stdout) as { processes: ProcessStatus[] }).processes;
}

const isGone = (pid: number) => startTimeOf(pid) === undefined;

test(
  "starts everything, says where it is, and Ctrl-C to the whole group leaves nothing behind",
  { timeout: 30_000 },
  async () => {
    const up = new Up({ replicas: { user: 2 } });
    await up.says(/mesh is ready in [\d.]+ s/);
    expect(up.stdout).toMatch(/^gateway {2,}http:\/\/127\.0\.0\.1:\d+$/m);
    expect(up.stdout).toMatch(/^docs {2,}http:.*\/docs$/m);
    expect(up.stdout).toMatch(/^user-2 .*│ .*composed sql=true/m);
    expect(up.stdout).toMatch(/^search .*│ .*composed sql=false/m);

    const processes = await statusOf();
    expect(processes.map(({ service, state }) => [service, state])).toEqual([
      ["user", "ready"],
      ["user", "ready"],
      ["search", "ready"],
      ["gateway", "ready"],
    ]);
    expect(processes[0]).toMatchObject({
      instance: expect.stringMatching(/^[0-9a-f-]{36}$/),
      pid: expect.any(Number),
      grpc: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
      admin: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
    });
    expect((await weft("status")).stdout).toMatch(/^user-1 +ready +\d+ +127/m);
    const written = readdirSync(join(folder, ".weft"), { recursive: true, encoding: "utf8" });
    expect(written).toEqual(expect.arrayContaining(["mesh.json", "mesh.lock", "discovery.db", "logs/weft-1.log"]));
    const openToOthers = (name: string) => (statSync(join(folder, ".weft", name)).mode & 0o077) !== 0;
    expect(["", ...written].filter(openToOthers)).toEqual([]);
    expect(readFileSync(join(folder, ".weft/logs/user-1.log"), "utf8")).toContain('"msg":"ready"');

    process.kill(-up.pid, "SIGINT");
    // As npm does, which passes on what the whole group has got already.
    up.child.kill("SIGINT");
    expect(await up.exit).toBe(0);
    expect(processes.every(({ pid }) => isGone(pid))).toBe(true);
    const order = ["gateway", "user-1", "postgres"].map((name) => up.stdout.search(new RegExp(`^${name} .*stop`, "m")));
    expect(order).toEqual(order.toSorted((a, b) => a - b));
    expect(order).not.toContain(-1);
    expect(await statusOf()).toEqual([]);
    expect(existsSync(join(folder, ".weft/mesh.lock"))).toBe(false);
    expect(up.stderr).toBe("");
  },
);

test("a killed service is started again, later each time, and it says so", { timeout: 30_000 }, async () => {
  const up = new Up();
  await up.says("mesh is ready");
  for (const delay of ["0.2 s", "0.4 s"]) {
    const before = (await statusOf()).find(({ service }) => service === "search");
    process.kill(before?.pid ?? 0, "SIGKILL");
    await up.says(`search ended by SIGKILL; starting it again in ${delay}`);
    await until(
      async () =>
        (await statusOf()).some(
          ({ service, state, pid }) => service === "search" && state === "ready" && pid !== before?.pid,
        ),
      () => up.stdout,
    );
  }
  up.child.kill("SIGTERM");
  expect(await up.exit).toBe(0);
});

test("a second up on the same folder is refused; one after a kill -9 is not", { timeout: 30_000 }, async () => {
  const up = new Up();
  await up.says("mesh is ready");
  const second = new Up();
  expect(await second.exit).toBe(1);
  expect(second.stderr).toMatch(/^weft: a mesh runs on .*\.weft already \(process \d+\); .*--data-dir\n$/);

  const processes = await statusOf();
  up.child.kill("SIGKILL");
  await up.exit;
  const third = new Up();
  await third.says("mesh is ready");
  expect(processes.every(({ pid }) => isGone(pid))).toBe(true);
  third.child.kill("SIGINT");
  expect(await third.exit).toBe(0);
});

test("what is wrong before the start is a line each, and exit code 1", { timeout: 30_000 }, async () => {
  const misspelt = new Up({ env: { WEFT_PROT: "1", WEFT_PROFILE: "docker" } });
  expect(await misspelt.exit).toBe(1);
  expect(misspelt.stderr).toContain("WEFT_PROT is not a setting; did you mean WEFT_PORT?");

  const unknown = new Up({ env: { WEFT_STATE: "memcached://127.0.0.1" } });
  expect(await unknown.exit).toBe(1);
  expect(unknown.stderr).toMatch(/^weft: no state adapter for 'memcached:'.*\n$/);

  const away = new Up({
    env: { WEFT_STATE: "redis://:hunter2@127.0.0.1:1", WEFT_SQL: "postgres://me:hunter2@127.0.0.1:2/x" },
  });
  expect(await away.exit).toBe(1);
  expect(away.stderr).toBe(
    "weft: nothing answers: redis at 127.0.0.1:1; postgres at 127.0.0.1:2\n" +
      "start the servers with `npx weft stack up`, or set WEFT_STATE, WEFT_SQL\n",
  );

  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  const address = other.address();
  const port = String(typeof address === "object" ? address?.port : 0);
  const taken = new Up({ env: { WEFT_PORT: port } });
  expect(await taken.exit).toBe(1);
  expect(taken.stderr).toBe(
    `weft: 127.0.0.1:${port} is in use by another process; choose another port with --port or WEFT_PORT\n`,
  );
  other.close();

  writeFileSync(join(folder, "file"), "");
  const unwritable = new Up({ env: { WEFT_DATA_DIR: join(folder, "file/data") } });
  expect(await unwritable.exit).toBe(1);
  expect(unwritable.stderr).toMatch(/^weft: the data folder .* can't be written to .*\n$/);

  const replicas = new Up({ replicas: { gateway: 2 } });
  expect(await replicas.exit).toBe(1);
  expect(replicas.stderr).toBe("weft: --replicas: gateway can have 1 to 1, not 2\n");
});

test(
  "--json writes JSON lines, the event `ready` among them; `logs` reads them again",
  { timeout: 30_000 },
  async () => {
    const up = new Up({ json: true });
    await up.says('"event":"ready"');
    const lines = up.stdout.slice(0, up.stdout.lastIndexOf("\n")).split("\n");
    const entries = lines.map((line): Record<string, unknown> => JSON.parse(line));
    expect(entries.find(({ event }) => event === "ready")).toMatchObject({ service: "weft", processes: 3 });

    const logs = await weft("logs", "search", "--json", "-n", "1");
    expect(JSON.parse(logs.stdout)).toMatchObject({ service: "search", msg: "ready" });
    expect((await weft("logs")).stdout).toMatch(/^gateway-1 +│ \d\d:\d\d:\d\d INFO {2}ready/m);
    expect(await weft("logs", "nobody")).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining("no log of nobody"),
    });
    up.child.kill("SIGINT");
    expect(await up.exit).toBe(0);
  },
);

test("two meshes on one machine do not meet", { timeout: 30_000 }, async () => {
  const other = join(folder, "other");
  const ups = [new Up(), new Up({ env: { WEFT_DATA_DIR: other } })];
  for (const up of ups) await up.says("mesh is ready");
  const [ours, theirs] = await Promise.all([statusOf(), statusOf("--data-dir", other)]);
  expect(ours.map(({ state }) => state)).toEqual(["ready", "ready", "ready"]);
  expect(theirs.map(({ state }) => state)).toEqual(["ready", "ready", "ready"]);
  expect(new Set([...ours, ...theirs].flatMap(({ pid, grpc, admin }) => [pid, grpc, admin])).size).toBe(18);
  for (const up of ups) up.child.kill("SIGTERM");
  expect(await Promise.all(ups.map((up) => up.exit))).toEqual([0, 0]);
});

test("a SQL server that does not start is a line, exit code 1, and nothing left behind", async () => {
  const up = new Up({ env: { FIXTURE_SQL: "fails" }, json: true });
  expect(await up.exit).toBe(1);
  expect(up.stderr).toBe("weft: PostgreSQL did not start\n");
  expect(up.stdout).toContain('"msg":"stopped"}');
  expect(existsSync(join(folder, ".weft/mesh.json"))).toBe(false);
});

test("a second Ctrl-C ends everything at once", { timeout: 30_000 }, async () => {
  const up = new Up({ env: { WEFT_SETTLE_MS: "15s" } });
  await up.says("mesh is ready");
  const processes = await statusOf();
  up.child.kill("SIGINT");
  await up.says("stopping; once more");
  await systemClock.sleep(400);
  up.child.kill("SIGINT");
  expect(await up.exit).toBe(1);
  expect(processes.every(({ pid }) => isGone(pid))).toBe(true);
});
