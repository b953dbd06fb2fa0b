import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { isReachable } from "./accounts.ts";

/** Nobody who owns anything here. */
const stranger = { uid: 54_321, gid: 54_321 };

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "weft-accounts-"));
  chmodSync(folder, 0o755);
  mkdirSync(join(folder, "closed/open"), { recursive: true });
  chmodSync(join(folder, "closed/open"), 0o755);
  chmodSync(join(folder, "closed"), 0o700);
});
afterEach(() => rmSync(folder, { recursive: true }));

test("a path is within reach of those who may enter every folder on the way, there yet or not", () => {
  expect(isReachable(join(folder, "not/there"), stranger)).toBe(true);
  expect(isReachable(join(folder, "closed/open"), stranger)).toBe(false);
  expect(isReachable(join(folder, "closed/open/not/there"), stranger)).toBe(false);
});

test("a program has to be one for them", () => {
  const program = join(folder, "program");
  writeFileSync(program, "", { mode: 0o644 });
  expect(isReachable(program, stranger)).toBe(false);
  chmodSync(program, 0o755);
  expect(isReachable(program, stranger)).toBe(true);
});

test("the way that a link leads counts too, and one that leads nowhere is not there", () => {
  symlinkSync(join(folder, "closed/open"), join(folder, "link"));
  expect(isReachable(join(folder, "link"), stranger)).toBe(false);
  expect(isReachable(join(folder, "link/not/there"), stranger)).toBe(false);
  symlinkSync(join(folder, "nowhere"), join(folder, "dangling"));
  expect(isReachable(join(folder, "dangling"), stranger)).toBe(true);
});
