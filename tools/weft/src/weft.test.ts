import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterEach, beforeEach, expect, test } from "vitest";
import { AuthService, UserService } from "@weft/contracts/user";
import { implement, openServer } from "@weft/rpc";
import { findMethod } from "./call.ts";
import { runCli } from "./cli.ts";
import { Follower } from "./log-follower.ts";
import { renderLine } from "./render.ts";
import { table } from "./terminal.ts";
import { lockFolder, startTimeOf } from "./up/folder-lock.ts";
import { LogFile } from "./up/log-file.ts";
import { processesOf } from "./up/processes.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "weft-cli-"));
});

afterEach(() => rmSync(folder, { recursive: true }));

async function weft(argv: string[], stdin = "") {
  let stdout = "";
  let stderr = "";
  const exitCode = await runCli(argv, {
    env: {},
    cwd: folder,
    stdin: Readable.from([stdin]),
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: (text) => (stderr += text) },
  });
  return { exitCode, stdout, stderr };
}

const plain = (_: unknown, text: string) => text;

test("a log line is short for people", () => {
  const line =
    '{"level":"warn","time":"2026-01-01T12:30:01.000Z","service":"user","instance":"i","id":"7","msg":"slow"}';
  expect(renderLine(line, plain)).toBe("12:30:01 WARN  slow id=7");
  expect(renderLine("Segmentation fault", plain)).toBe("Segmentation fault");
  expect(renderLine('{"level":"warn","msg":"x","err":{"type":"WeftError","message":"gone"}}', plain)).toBe(
    "WARN  x WeftError: gone",
  );
});

test("a table is as wide as its cells", () => {
  expect(
    table([
      ["a", "bb"],
      ["ccc", "d"],
    ]),
  ).toEqual(["a    bb", "ccc  d"]);
});

test("a log file has a bound", () => {
  using file = new LogFile(join(folder, "logs/x.log"), { maxBytes: 30 });
  for (let count = 0; count < 40; count += 1) file.append(`line ${count}`);
  expect(readdirSync(join(folder, "logs")).sort()).toEqual(["x.log", "x.log.1", "x.log.2", "x.log.3"]);
  expect(readFileSync(join(folder, "logs/x.log"), "utf8")).toMatch(/line 39\n$/);
  expect(readFileSync(join(folder, "logs/x.log.3"), "utf8").length).toBeLessThanOrEqual(30);
});

test("a log that can't be written loses lines, and goes on when it can", () => {
  using file = new LogFile(join(folder, "logs/x.log"), { maxBytes: 12 });
  file.append("line 1");
  // In the way of what is put aside, and of the file itself.
  rmSync(join(folder, "logs"), { recursive: true });
  writeFileSync(join(folder, "logs"), "");
  file.append("line 2");
  file.append("line 3");
  rmSync(join(folder, "logs"));
  mkdirSync(join(folder, "logs"));
  file.append("line 4");
  expect(readFileSync(join(folder, "logs/x.log"), "utf8")).toBe("line 4\n");
});

test("a follower reads on when the file is put aside, and misses no line", () => {
  using file = new LogFile(join(folder, "x.log"), { maxBytes: 50 });
  const follower = new Follower(folder, "x");
  expect(follower.read()).toEqual([]);
  const seen: string[] = [];
  const written = Array.from({ length: 20 }, (_, count) => `line ${count} ü`);
  for (const [count, text] of written.entries()) {
    file.append(text);
    if (count % 3 === 0) seen.push(...follower.read().map((line) => line.text));
  }
  seen.push(...follower.read().map((line) => line.text));
  expect(seen).toEqual(written);
});

test("the lock of a folder outlives nobody", () => {
  const first = lockFolder(folder);
  expect(() => lockFolder(folder)).toThrow("a mesh runs on");
  first[Symbol.dispose]();
  // The id of a process that lives, but not of the one that took the lock.
  writeFileSync(join(folder, "mesh.lock"), JSON.stringify({ pid: process.ppid, startTime: "1" }));
  using _second = lockFolder(folder);
  expect(readdirSync(folder)).toEqual(["mesh.lock"]);
  expect(startTimeOf(process.pid)).toBe(startTimeOf(process.pid));
  expect(startTimeOf(2 ** 30)).toBeUndefined();
});

test("replicas are checked", () => {
  const services = [
    { service: "user", entry: "u", settings: {} },
    { service: "gateway", entry: "g", settings: {}, single: true },
  ];
  const numbers = processesOf(services, new Map([["user", 2]])).map(({ service, number }) => `${service}-${number}`);
  expect(numbers).toEqual(["user-1", "user-2", "gateway-1"]);
  expect(() => processesOf(services, new Map([["usr", 2]]))).toThrow("there is no service usr");
  expect(() => processesOf(services, new Map([["user", 0]]))).toThrow("user can have 1 to 32, not 0");
});

test("a method is found by long and short names", () => {
  for (const name of ["weft.user.v1.UserService/GetUser", "user.v1.UserService/GetUser", "UserService/getUser"]) {
    expect(findMethod(name)).toEqual({ method: UserService.method.getUser, target: "user" });
  }
  expect(() => findMethod("user.v1.UserService/Get")).toThrow("user.v1.UserService has no method Get; it has");
  expect(() => findMethod("usr.v1.UserService")).toThrow("there is no service usr.v1.UserService");
});

test("call prints the answer, and an error with its reason", async () => {
  const login = ({ email }: { readonly email: string }) => ({ accessToken: email, expiresIn: 60 });
  const services = [implement(AuthService, { login })];
  await using server = await openServer({ host: "127.0.0.1", port: 0, services });
  const call = (request: string, ...more: string[]) =>
    weft(["call", "user.v1.AuthService/Login", request, "--address", server.address, ...more]);

  const good = await call('{"email":"ada@example.org","password":"secret"}');
  expect(good).toMatchObject({ exitCode: 0, stderr: "" });
  expect(JSON.parse(good.stdout)).toMatchObject({ accessToken: "ada@example.org", expiresIn: 60 });

  const invalid = await call('{"email":""}', "--json");
  expect(invalid).toMatchObject({ exitCode: 1, stdout: "" });
  expect(JSON.parse(invalid.stderr)).toMatchObject({ code: "INVALID_ARGUMENT", reason: "INVALID_ARGUMENT" });
  expect(await call("{")).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("(MALFORMED_JSON)") });
  expect(await call('{"mail":1}')).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('"mail"') });
  const missing = await weft([
    "call",
    "user.v1.AuthService/Logout",
    '{"refreshToken":"x"}',
    "--address",
    server.address,
  ]);
  expect(missing).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("(UNIMPLEMENTED)") });
});

test("call streams lines in and out", async () => {
  async function importUsers(requests: AsyncIterable<{ readonly items: readonly unknown[] }>) {
    let created = 0;
    for await (const { items } of requests) created += items.length;
    return { created };
  }
  const services = [implement(UserService, { importUsers })];
  const tokens = { verify: () => Promise.resolve({ subject: "admin", roles: ["admin"] }) };
  await using server = await openServer({ host: "127.0.0.1", port: 0, services, tokens });
  const lines = '{"items":[{"line":1},{"line":2}]}\n\n{"items":[{"line":3}]}\n';
  const argv = ["call", "user.v1.UserService/ImportUsers", "--address", server.address, "--token", "t"];
  const result = await weft(argv, lines);
  expect(result).toMatchObject({ stderr: "", exitCode: 0 });
  expect(JSON.parse(result.stdout)).toMatchObject({ created: 3 });
});

test("without a mesh there is nothing to tell", async () => {
  expect(await weft(["status", "--json"])).toEqual({ exitCode: 0, stdout: '{"processes":[]}\n', stderr: "" });
  expect((await weft(["status"])).stdout).toContain("nothing runs on");
  const call = await weft(["call", "user.v1.UserService/GetUser", "{}", "--timeout", "300"]);
  expect(call.exitCode).toBe(1);
});

test("a misspelt command or option is a line, and exit code 1", async () => {
  expect(await weft(["stats"])).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("unknown command") });
  expect(await weft(["status", "--jsn"])).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("--json") });
  expect(await weft(["up", "--replicas", "user"])).toMatchObject({ exitCode: 1 });
  expect((await weft(["--help"])).exitCode).toBe(0);
});
