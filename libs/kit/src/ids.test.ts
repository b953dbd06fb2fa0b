import { inspect } from "node:util";
import { expect, test } from "vitest";
import { countingIds, newUuid, Secret } from "./index.ts";

test("ids are version 7 UUIDs that sort by creation, also within a millisecond", () => {
  const ids = Array.from({ length: 10_000 }, () => newUuid());
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect([...ids].sort()).toEqual(ids);
  expect(new Set(ids).size).toBe(ids.length);
  const ms = Number.parseInt(ids[0]?.replaceAll("-", "").slice(0, 12) ?? "", 16);
  expect(Math.abs(Date.now() - ms)).toBeLessThan(60_000);
});

test("ids for tests count up", () => {
  const newId = countingIds("user");
  expect([newId(), newId()]).toEqual(["user-1", "user-2"]);
});

test("a secret never prints its value", () => {
  const secret = new Secret("hunter2");
  expect(`${secret}`).toBe("***");
  expect(JSON.stringify({ secret })).toBe('{"secret":"***"}');
  expect(inspect({ secret }, { depth: 9, showHidden: true })).not.toContain("hunter2");
  expect(secret.reveal()).toBe("hunter2");
});
