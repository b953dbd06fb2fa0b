import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { runCli } from "../cli.ts";
import { checkDataDir, checkDependencies, checkNode } from "./basics.ts";
import { checkServers } from "./servers.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "weft-doctor-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A machine that has no program at all. */
const bare = { PATH: "", XDG_CACHE_HOME: "/nowhere", HOME: "/nowhere" };
const urls = {
  discovery: "consul://127.0.0.1:1",
  configuration: "embedded:",
  pubsub: "embedded:",
  state: "embedded:",
  lock: "embedded:",
  search: "embedded:",
  sql: "embedded:",
  secrets: "env:",
};

test("Node has to run TypeScript as it is", () => {
  expect(checkNode("24.1.0")).toMatchObject({ state: "ok", detail: "24.1.0" });
  expect(checkNode("22.19.0").state).toBe("missing");
});

test("dependencies are those of the lock file", async () => {
  expect((await checkDependencies(folder)).state).toBe("missing");
  mkdirSync(join(folder, "node_modules"));
  writeFileSync(join(folder, "package-lock.json"), "{}");
  const hash = createHash("sha256").update("{}").digest("hex");
  writeFileSync(join(folder, "node_modules/.weft-installed"), `${hash} linux-x64\n`);
  expect((await checkDependencies(folder)).state).toBe("ok");
});

test("a data folder that can be made is fine, one below a file is not", async () => {
  expect(await checkDataDir(join(folder, "new/data"))).toMatchObject({
    state: "ok",
    detail: expect.stringMatching(/GiB free$/),
  });
  writeFileSync(join(folder, "file"), "");
  expect((await checkDataDir(join(folder, "file/data"))).state).toBe("missing");
});

test("only a server that the profile uses is missed", async () => {
  const checks = await checkServers({ urls, runsSql: true }, bare);
  const states = checks.map(({ name, state }) => [name, state]);
  expect(states).toContainEqual(["postgres", "ok"]);
  expect(states).toContainEqual(["consul", "missing"]);
  expect(checks.find(({ name }) => name === "redis")).toMatchObject({
    state: "note",
    detail: expect.stringMatching(/^not used by this profile/),
  });
});

test("--json has every check, and the exit code says whether the profile can run", async () => {
  let stdout = "";
  const code = await runCli(["doctor", "--json", "--port", "0", "--data-dir", folder], {
    env: { PATH: process.env.PATH },
    cwd: folder,
    stdin: process.stdin,
    stdout: { write: (text) => (stdout += text) },
    stderr: process.stderr,
  });
  const { profile, checks } = JSON.parse(stdout) as { profile: string; checks: { name: string; state: string }[] };
  expect(profile).toBe("embedded");
  expect(checks.map(({ name }) => name)).toEqual([
    ...["Node", "npm dependencies", "data folder", "gateway port"],
    ...["consul", "elasticsearch", "kafka", "postgres", "redis", "Java", "Docker"],
  ]);
  expect(code).toBe(checks.some(({ state }) => state === "missing") ? 1 : 0);
});
