import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { within } from "@weft/kit/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { runCli } from "../cli.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "weft-cli-config-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function begin(...argv: string[]) {
  const result = { stdout: "", stderr: "" };
  const ended = runCli(["config", ...argv, "--data-dir", folder], {
    env: {},
    cwd: folder,
    stdin: Readable.from([]),
    stdout: { write: (text) => (result.stdout += text) },
    stderr: { write: (text) => (result.stderr += text) },
  }).then((exitCode) => ({ exitCode, ...result }));
  return { result, ended };
}

const config = (...argv: string[]) => begin(...argv).ended;

test("what is set is shown until it is taken back", async () => {
  expect((await config("get")).stdout).toBe("nothing is set: each process has what it was started with\n");
  expect(await config("set", "logLevel", "debug")).toEqual({ exitCode: 0, stdout: "logLevel = debug\n", stderr: "" });
  await config("set", "calls.user.split", '{"2.0.0":10}');
  expect((await config("get")).stdout).toBe(
    'SETTING           VALUE\ncalls.user.split  {"2.0.0":10}\nlogLevel          debug\n',
  );
  expect((await config("get", "calls.user", "--json")).stdout).toBe(
    '{"settings":[{"name":"calls.user.split","value":"{\\"2.0.0\\":10}"}]}\n',
  );
  expect((await config("unset", "logLevel")).stdout).toBe("logLevel is not set any more\n");
  expect((await config("get", "logLevel")).stdout).toContain("logLevel is not set");
});

test.each([
  ["loglevel", "debug", "loglevel is not a setting; did you mean logLevel?"],
  ["logLevel", "loud", 'logLevel "loud" is not one of debug, info, warn, error, fatal'],
  ["grpcPort", "1", "grpcPort does not change while processes run: say it where they are started"],
  ["calls.user.retry", '{"tries":2}', "calls.user.retry.tries is not known; there are maxTries"],
  ["calls.user.breaker.openMs", "1", "calls.user.breaker.openMs must be a number from 10 to 3600000, not 1"],
  ["calls.user", "{", "calls is not JSON"],
])("%s = %s is refused before anybody sees it", async (name, value, problem) => {
  expect(await config("set", name, value)).toMatchObject({ exitCode: 1, stderr: expect.stringContaining(problem) });
  expect((await config("get")).stdout).toContain("nothing is set");
});

test("settings that this version does not know can be set by saying so", async () => {
  expect((await config("set", "app.colour", "blue", "--unchecked")).exitCode).toBe(0);
  expect((await config("get", "app")).stdout).toContain("app.colour  blue");
});

test("a watch prints what is set and each change, until Ctrl-C", async () => {
  await config("set", "logLevel", "debug");
  const { result, ended } = begin("watch", "logLevel", "--json");
  await within(20_000, "what is set", () => result.stdout.includes("debug"));
  await config("set", "calls.user.split", "{}");
  await config("set", "logLevel", "warn");
  await within(20_000, "the change", () => result.stdout.includes("warn"));
  await config("unset", "logLevel");
  await within(20_000, "the end of it", () => result.stdout.includes("null"));
  process.emit("SIGINT");
  expect(await ended).toMatchObject({ exitCode: 0, stderr: "" });
  expect(result.stdout.trim().split("\n")).toEqual(
    ["debug", "warn", null].map((value) => JSON.stringify({ name: "logLevel", value })),
  );
}, 70_000);
