import { WeftError } from "@weft/kit";
import { expect, test } from "vitest";
import { redisError } from "./errors.ts";

const coded = (message: string, code: string): Error => Object.assign(new Error(message), { code });

test.each([
  ["OOM command not allowed when used memory > 'maxmemory'.", "RESOURCE_EXHAUSTED"],
  ["ERR Error running script (call to f_1): @user_script:1: -OOM command not allowed", "RESOURCE_EXHAUSTED"],
  ["ERR max number of clients reached", "RESOURCE_EXHAUSTED"],
  ["LOADING Redis is loading the dataset in memory", "UNAVAILABLE"],
  ["BUSY Redis is busy running a script.", "UNAVAILABLE"],
  ["READONLY You can't write against a read only replica. script: 1, on @user_script:1.", "UNAVAILABLE"],
  ["MASTERDOWN Link with MASTER is down", "UNAVAILABLE"],
  ["MISCONF Redis is configured to save RDB snapshots", "UNAVAILABLE"],
  ["NOSCRIPT No matching script.", "UNAVAILABLE"],
  ["CLUSTERDOWN Hash slot not served", "UNAVAILABLE"],
  ["Too many Cluster redirections. Last error: ReplyError: MOVED 1 a:1", "UNAVAILABLE"],
  ["MOVED 3999 127.0.0.1:6381", "INVALID_CONFIGURATION"],
  ["WRONGPASS invalid username-password pair or user is disabled.", "INVALID_CONFIGURATION"],
  ["NOAUTH Authentication required.", "INVALID_CONFIGURATION"],
  ["NOPERM this user has no permissions to run the 'get' command", "INVALID_CONFIGURATION"],
  ["ERR DB index is out of range", "INVALID_CONFIGURATION"],
  ["WRONGTYPE Operation against a key holding the wrong kind of value", "DATA_LOSS"],
  ["Command timed out", "DEADLINE_EXCEEDED"],
  ["Connection is closed.", "UNAVAILABLE"],
  ["Reached the max retries per request limit (which is 0).", "UNAVAILABLE"],
  ["Stream isn't writeable and enableOfflineQueue options is false", "UNAVAILABLE"],
  ["Socket timeout. Expecting data, but didn't receive any in 5000ms.", "UNAVAILABLE"],
  ["ERR something new about OOMPH", "INTERNAL"],
])("%s", (message, reason) => {
  expect(redisError(new Error(message))).toMatchObject({ reason });
});

test("errors of the network are UNAVAILABLE, and whatever else is thrown is INTERNAL", () => {
  expect(redisError(coded("connect", "ECONNREFUSED"))).toMatchObject({ reason: "UNAVAILABLE" });
  expect(redisError(coded("x", "CERT_HAS_EXPIRED"))).toMatchObject({ reason: "UNAVAILABLE" });
  expect(redisError("text")).toMatchObject({ reason: "INTERNAL" });
  expect(redisError(new TypeError("bug"))).toMatchObject({ reason: "INTERNAL" });
  const own = new WeftError("CANCELLED", "x");
  expect(redisError(own)).toBe(own);
});

test("the command that failed, with its values and passwords, is not kept", () => {
  const error = Object.assign(new Error("WRONGPASS no"), { command: { name: "auth", args: ["secret"] } });
  expect(Object.keys(redisError(error).cause ?? {})).not.toContain("command");
});
