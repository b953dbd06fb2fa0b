import { readFile } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { join } from "node:path";
import { services } from "@weft/contracts";
import { RateClass } from "@weft/contracts/options";
import { loadConfig } from "@weft/kit";
import { parseQuota } from "@weft/resilience";
import { expect, test } from "vitest";
import { bindingsOf } from "../routes/bindings.ts";
import { settings } from "../settings.ts";
import { clientAddresses } from "./addresses.ts";
import { nameOfClass } from "./classes.ts";
import { defaultLimits, quotasOf, rateClasses } from "./config.ts";

const load = (env: Record<string, string>) => loadConfig(settings, { env, argv: [] });

test("what is said goes over the defaults; off is no limit, and an administrator is a user unless said otherwise", () => {
  const { limits } = load({
    WEFT_GATEWAY_LIMITS: '{"read":{"user":"5/s","total":"9/m"},"bulk":{"user":"off","address":null}}',
  });
  const quotas = quotasOf(limits);
  expect(quotas).toMatchObject({
    "read-user": { count: 5, windowMs: 1000 },
    "read-admin": { count: 5, windowMs: 1000 },
    "read-address": parseQuota(defaultLimits.read?.address ?? ""),
    "read-total": { count: 9, windowMs: 60_000 },
    "bulk-address": parseQuota(defaultLimits.bulk?.address ?? ""),
    "auth-admin": parseQuota(defaultLimits.auth?.admin ?? ""),
  });
  expect(Object.keys(quotas)).not.toContain("bulk-user");
});

test("every problem of the settings is told", () => {
  const bad = (env: Record<string, string>): string => {
    try {
      load(env);
      return "";
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  };
  const problems = bad({
    WEFT_GATEWAY_LIMITS: '{"reads":{},"read":{"users":"1/s","user":"1/ms","address":5},"write":"off"}',
    WEFT_GATEWAY_TRUSTED_PROXIES: "10.0.0.0/33",
  });
  for (const part of [
    "reads is not",
    "read.users is not",
    "read.user is not a quota",
    "read.address is not",
    "write is not",
    "10.0.0.0/33",
  ]) {
    expect(problems).toContain(part);
  }
  for (const text of ["5", "[]", '"off"', "{"]) expect(bad({ WEFT_GATEWAY_LIMITS: text })).not.toBe("");
});

/** What the guide's table says of each class: its methods, and the quotas of users, administrators and addresses. */
async function rowsOfGuide(): Promise<ReadonlyMap<string, readonly string[]>> {
  const guide = await readFile(join(import.meta.dirname, "../../../../docs/guides/limits.md"), "utf8");
  const rows = guide.split("\n").map((line) => line.split("|").map((cell) => cell.trim()));
  return new Map(
    rateClasses.map((name) => [name, rows.find(([, first]) => first === `\`${name}\``)?.slice(2, 6) ?? []]),
  );
}

test("the guide tells the defaults", async () => {
  const rows = await rowsOfGuide();
  for (const name of rateClasses) {
    const { user, admin = user, address } = defaultLimits[name] ?? {};
    expect(rows.get(name)?.slice(1)).toEqual([user, admin, address].map((quota) => `\`${quota}\``));
  }
});

test("the guide tells the methods of each class", async () => {
  const rows = await rowsOfGuide();
  const methods = bindingsOf(services).map(({ method, contract }) => ({
    name: method.name,
    rateClass: nameOfClass(contract.policy.rateClass),
  }));
  const told = rateClasses.flatMap((rateClass) =>
    [...(rows.get(rateClass)?.[0] ?? "").matchAll(/`(\w+)(…?)`/g)].map(([text, start = "", rest]) => ({
      ...{ rateClass, text, fits: (name: string) => (rest === "" ? name === start : name.startsWith(start)) },
    })),
  );
  for (const { name, rateClass } of methods) {
    const classes = told.filter(({ fits }) => fits(name)).map((one) => one.rateClass);
    expect({ name, classes }).toEqual({ name, classes: [rateClass] });
  }
  for (const { text, fits } of told) expect([text, methods.some(({ name }) => fits(name))]).toEqual([text, true]);
});

test("every route of the contracts has a limit by default", () => {
  const quotas = quotasOf(load({}).limits);
  for (const { contract } of bindingsOf(services)) {
    const name = nameOfClass(contract.policy.rateClass);
    expect(Object.keys(quotas)).toEqual(expect.arrayContaining([`${name}-user`, `${name}-admin`, `${name}-address`]));
    expect(contract.policy.rateClass).not.toBe(RateClass.UNSPECIFIED);
  }
  expect(rateClasses.length).toBe(Object.values(RateClass).filter((value) => value !== RateClass.UNSPECIFIED).length);
});

const request = (remoteAddress: string, forwarded?: string): IncomingMessage =>
  ({ socket: { remoteAddress }, headers: { "x-forwarded-for": forwarded } }) as unknown as IncomingMessage;

test("a client is told by what the last trusted proxy saw", () => {
  const own = clientAddresses([]);
  expect(own(request("203.0.113.9", "10.1.1.1"))).toBe("203.0.113.9");
  expect(own(request("::ffff:203.0.113.9"))).toBe("203.0.113.9");
  const address = clientAddresses(["10.0.0.0/8", "2001:db8::/32"]);
  expect(address(request("203.0.113.9", "198.51.100.1"))).toBe("203.0.113.9");
  expect(address(request("::ffff:10.0.0.1", "192.0.2.1, 198.51.100.1"))).toBe("198.51.100.1");
  expect(address(request("10.0.0.1", "192.0.2.1, 198.51.100.1:4711, 10.0.0.2"))).toBe("198.51.100.1");
  expect(address(request("10.0.0.1", "198.51.100.1, unknown"))).toBe("10.0.0.1");
  expect(address(request("10.0.0.1", ""))).toBe("10.0.0.1");
  // However much somebody puts before it.
  expect(address(request("10.0.0.1", `${"192.0.2.1, ".repeat(500)}198.51.100.1`))).toBe("198.51.100.1");
  expect(address(request("10.0.0.1"))).toBe("10.0.0.1");
  expect(address(request("2001:db8::1", "[2a00:1:2:3:4:5:6:7]:443"))).toBe("2a00:1:2:3::/64");
});

test("a network of IPv6 is one client", () => {
  const own = clientAddresses([]);
  const written = ["2a00:1:2:3::1", "2a00:1:2:3:ffff:ffff:ffff:ffff", "2A00:01:0002:3:0:0:0:0"];
  const same = written.map((text) => own(request(text)));
  expect(new Set(same)).toEqual(new Set(["2a00:1:2:3::/64"]));
  expect(own(request("::1"))).toBe("0:0:0:0::/64");
  expect(own(request("fe80::1%eth0"))).toBe("fe80:0:0:0::/64");
  expect(own(request("2a00::5:0:0:1"))).toBe("2a00:0:0:0::/64");
});
