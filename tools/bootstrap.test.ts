import { type ChildProcess, spawn } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

/** Stands in for npm: writes down its arguments and "installs" the Node that runs it, as a link. */
const fakeNpm = `
import { appendFileSync, mkdirSync, symlinkSync, rmSync } from "node:fs";
if (process.env.FAKE_NPM_FAILS) { console.error("npm error the registry is away"); process.exit(7); }
appendFileSync("npm-calls", process.argv.slice(2).join(" ") + "\\n");
await new Promise((done) => setTimeout(done, Number(process.env.FAKE_NPM_MS ?? 0)));
rmSync("node_modules", { recursive: true, force: true });
mkdirSync("node_modules/node/bin", { recursive: true });
symlinkSync(process.execPath, "node_modules/node/bin/node");
`;

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "weft-bootstrap-"));
  await mkdir(join(root, "tools"));
  await cp(join(import.meta.dirname, "bootstrap.mjs"), join(root, "tools/bootstrap.mjs"));
  await writeFile(join(root, "package-lock.json"), "{}");
  await writeFile(join(root, "npm.mjs"), fakeNpm);
});

afterEach(() => rm(root, { recursive: true, force: true }));

function start(args: string[], env: Record<string, string> = {}): ChildProcess {
  return spawn(process.execPath, [join(root, "tools/bootstrap.mjs"), ...args], {
    cwd: root,
    env: { ...process.env, npm_execpath: join(root, "npm.mjs"), ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
}

async function end(child: ChildProcess): Promise<{ code: number | null; out: string; err: string }> {
  let out = "";
  let err = "";
  child.stdout?.on("data", (chunk: Buffer) => (out += chunk.toString()));
  child.stderr?.on("data", (chunk: Buffer) => (err += chunk.toString()));
  const code = await new Promise<number | null>((done) => child.once("close", done));
  return { code, out, err };
}

const run = (args: string[], env?: Record<string, string>) => end(start(args, env));
const script = (name: string, code: string) => writeFile(join(root, name), code);
const npmCalls = async () => (await readFile(join(root, "npm-calls"), "utf8")).trim().split("\n").length;

test("installs once, says so in one line, and again when the lock file has changed", async () => {
  await script("ok.mjs", "");
  expect((await run(["ok.mjs"])).err).toBe("Installing dependencies (once) …\n");
  expect(await run(["ok.mjs"])).toEqual({ code: 0, out: "", err: "" });
  expect(await npmCalls()).toBe(1);

  await script("package-lock.json", `{"changed":true}`);
  await run(["ok.mjs"]);
  expect(await npmCalls()).toBe(2);
});

test("an installation by hand counts", async () => {
  await run([]);
  await script("package-lock.json", `{"changed":true}`);
  expect((await run(["--installed"])).code).toBe(0);
  await run([]);
  expect(await npmCalls()).toBe(1);
});

test("a failed installation shows the end of npm's output, and the command does not run", async () => {
  await script("never.mjs", "console.log('ran')");
  const { code, out, err } = await run(["never.mjs"], { FAKE_NPM_FAILS: "1" });
  expect({ code, out }).toEqual({ code: 7, out: "" });
  expect(err).toContain("npm error the registry is away\nInstalling dependencies failed");
});

test("of two at the same time one installs and the other waits", async () => {
  await script("ok.mjs", "");
  const both = await Promise.all([0, 1].map(() => run(["ok.mjs"], { FAKE_NPM_MS: "300" })));
  expect(both.map(({ code }) => code)).toEqual([0, 0]);
  expect(both.map(({ err }) => err).join("")).toMatch(/Waiting for process \d+ to install dependencies …/);
  expect(await npmCalls()).toBe(1);
});

test("the lock of a process that died does not hold anyone up", async () => {
  const dead = start(["--installed"]);
  await end(dead);
  await mkdir(join(root, ".cache"), { recursive: true });
  await script(".cache/install.lock", String(dead.pid));
  expect(await run([])).toMatchObject({ code: 0, err: "Installing dependencies (once) …\n" });
});

test("passes on arguments, input, output, exit code and the PATH", async () => {
  await script(
    "echo.ts",
    `process.stdout.write(JSON.stringify(process.argv.slice(2)) + process.env["PATH"]!.split(":")[0] + "\\n");
     process.stdin.pipe(process.stdout).on("finish", () => {});
     process.exitCode = 3;`,
  );
  const child = start(["echo.ts", "up", "--replicas", "user=3", "a b", "*"]);
  child.stdin?.end("from outside");
  const { code, out } = await end(child);
  expect(code).toBe(3);
  expect(out).toBe(`["up","--replicas","user=3","a b","*"]${join(root, "node_modules/.bin")}\nfrom outside`);
});

test("runs a program of the PATH by name, and says when there is none", async () => {
  expect(await run(["true"])).toMatchObject({ code: 0 });
  expect(await run(["no-such-program"])).toMatchObject({ code: 127, err: expect.stringContaining("could not be run") });
});

test.each(["SIGINT", "SIGTERM"] as const)(
  "forwards %s once, waits, and exits with the child's code",
  async (signal) => {
    await script(
      "stop.mjs",
      `let count = 0;
     process.on("${signal}", () => { if (++count === 1) setTimeout(() => { console.log(count); process.exit(5); }, 50); });
     setInterval(() => {}, 1000);
     console.log("ready");`,
    );
    const child = start(["stop.mjs"]);
    const ended = end(child);
    await ready(child);
    child.kill(signal);
    child.kill(signal);
    expect(await ended).toMatchObject({ code: 5, out: "ready\n1\n" });
  },
);

test("a child that a signal ends becomes 128 + its number", async () => {
  await script("die.mjs", `process.kill(process.pid, "SIGKILL"); setInterval(() => {}, 1000);`);
  expect((await run(["die.mjs"])).code).toBe(137);
});

function ready(child: ChildProcess): Promise<void> {
  return new Promise((done) => child.stdout?.once("data", () => done()));
}
