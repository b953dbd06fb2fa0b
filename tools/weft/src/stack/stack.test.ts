import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Secret } from "@weft/kit";
import { runCli } from "../cli.ts";
import { readLookConfig, readUpConfig } from "../up/config.ts";
import { startTimeOf } from "../up/folder-lock.ts";
import { checkServers, targetOf } from "../up/servers.ts";
import { readStack, shownUrl, stackUrls, type StackServer, writeStack } from "./stack-file.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "weft-stack-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const terminalOf = (env: Record<string, string> = {}) => {
  const said = { stdout: "", stderr: "" };
  const output = (name: keyof typeof said) => ({ write: (text: string) => (said[name] += text) });
  return { said, env, cwd: folder, stdin: process.stdin, stdout: output("stdout"), stderr: output("stderr") };
};

const consul: StackServer = { name: "consul", url: "consul://127.0.0.1:1001", port: 1001 };
const redis: StackServer = { name: "redis", url: "redis://:hunter2@127.0.0.1:1002", port: 1002 };

test("what was written down is read again, and is the owner's alone", () => {
  expect(readStack(folder)).toEqual([]);
  writeStack(folder, [consul, redis]);
  expect(readStack(folder)).toEqual([consul, redis]);
  expect(statSync(join(folder, "stack/stack.json")).mode & 0o077).toBe(0);
  writeStack(folder, []);
  expect(readStack(folder)).toEqual([]);
});

test("each block gets the URL of its server, and a shown one holds no password", () => {
  expect(stackUrls([consul, redis])).toEqual({
    discovery: consul.url,
    configuration: consul.url,
    state: redis.url,
    lock: redis.url,
  });
  expect(shownUrl(redis.url)).toBe("redis://:***@127.0.0.1:1002");
  expect(shownUrl("postgres://weft@127.0.0.1:1/weft_user")).toBe("postgres://weft@127.0.0.1:1/weft_user");
});

test("the profile stack uses the servers of the data folder, unless a setting names another", () => {
  writeStack(join(folder, ".weft"), [consul, redis]);
  const terminal = terminalOf({ WEFT_PROFILE: "stack", WEFT_LOCK: "redis://elsewhere" });
  const { found, urls } = readUpConfig([], {}, terminal);
  expect(Object.entries(found).map(([name, url]) => [name, url.reveal()])).toEqual([
    ["WEFT_DISCOVERY", consul.url],
    ["WEFT_STATE", redis.url],
    ["WEFT_CONFIGURATION", consul.url],
  ]);
  expect([urls.lock, urls.search].map(reveal)).toEqual(["redis://elsewhere", "elasticsearch://127.0.0.1:9200"]);

  const embedded = readUpConfig([], {}, terminalOf());
  expect(embedded.found).toEqual({});
  expect(reveal(embedded.urls.discovery)).toBe("embedded:");
});

test("commands that look at a mesh take the profile that runs there", () => {
  const dataDir = join(folder, ".weft");
  writeStack(dataDir, [consul]);
  const mesh = { pid: process.pid, startTime: startTimeOf(process.pid), profile: "stack", processes: [] };
  writeFileSync(join(dataDir, "mesh.json"), JSON.stringify(mesh));
  expect(readLookConfig({}, terminalOf()).discovery.reveal()).toBe(consul.url);
  expect(readLookConfig({}, terminalOf({ WEFT_PROFILE: "embedded" })).discovery.reveal()).toBe("embedded:");
});

test.each([
  ["embedded:", undefined],
  ["env:", undefined],
  ["redis://:pass@127.0.0.1:1?namespace=x", { scheme: "redis", hosts: [{ host: "127.0.0.1", port: 1 }] }],
  [
    "kafka://a,b:9/x",
    {
      scheme: "kafka",
      hosts: [
        { host: "a", port: 9092 },
        { host: "b", port: 9 },
      ],
    },
  ],
  ["postgresql://u:p@[::1]/db", { scheme: "postgresql", hosts: [{ host: "::1", port: 5432 }] }],
])("%s leads to %j", (url, target) => {
  expect(targetOf(url)).toEqual(target);
});

test("servers that are away are one error, which says what to do; one of several hosts is enough", async () => {
  const server = await listening();
  const port = String((server.address() as { port: number }).port);
  const base = { ...readUpConfig([], {}, terminalOf()).urls };
  await expect(checkServers({ ...base, pubsub: `kafka://127.0.0.1:1,127.0.0.1:${port}` })).resolves.toBeUndefined();
  server.close();
  const away = { ...base, state: new Secret("redis://:hunter2@127.0.0.1:1") };
  await expect(checkServers(away)).rejects.toMatchObject({
    reason: "UNAVAILABLE",
    message: "nothing answers: redis at 127.0.0.1:1\nstart the servers with `npx weft stack up`, or set WEFT_STATE",
  });
});

test("without docker compose, --docker is one line", async () => {
  const terminal = terminalOf({ PATH: folder });
  expect(await runCli(["stack", "up", "--docker"], terminal)).toBe(1);
  expect(terminal.said.stderr).toBe(
    "weft: `docker compose` can't be run: install Docker with Compose, or leave out --docker\n",
  );
});

test("`status` and `down` of what is not there say so", async () => {
  const terminal = terminalOf();
  expect(await runCli(["stack", "status"], terminal)).toBe(1);
  expect(terminal.said.stdout).toMatch(/^no server was started on .*: npx weft stack up\n$/);
  const ended = { ...consul, process: { pid: 2 ** 22 - 1, startTime: "0", logFile: "consul.log" } };
  writeStack(join(folder, ".weft"), [ended]);
  const json = terminalOf();
  expect(await runCli(["stack", "status", "--json"], json)).toBe(1);
  expect(JSON.parse(json.said.stdout)).toMatchObject({
    servers: [{ name: "consul", state: "ended", url: consul.url }],
    urls: { consul: consul.url },
  });
  expect(await runCli(["stack", "down", "--only", "consul"], terminalOf())).toBe(0);
  expect(readStack(join(folder, ".weft"))).toEqual([]);
  const wrong = terminalOf();
  expect(await runCli(["stack", "up", "--only", "mysql"], wrong)).toBe(1);
  expect(wrong.said.stderr).toContain("There are consul, elasticsearch, kafka, postgres, redis.");
});

const reveal = (url: string | Secret): string => (typeof url === "string" ? url : url.reveal());

function listening(): Promise<Server> {
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy());
    server.listen(0, "127.0.0.1", () => resolve(server));
  });
}
