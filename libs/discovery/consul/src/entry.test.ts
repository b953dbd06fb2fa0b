import fc from "fast-check";
import { expect, test } from "vitest";
import { type Entry, entryNames, serviceName, toEntry, toRegistration } from "./entry.ts";

const someone = (metadata: Record<string, string> = {}, address = "127.0.0.1:1234"): Entry => ({
  instance: { service: "user", id: "a", address, metadata },
  ...{ owner: "o1", ttlMs: 1500 },
});

function metaOf(entry: Entry): Record<string, string> {
  return toRegistration("weft", entry, "ttl")["Meta"] as Record<string, string>;
}

test("what Consul keeps gives the instance back, whatever its metadata", () => {
  const metadata = fc.dictionary(fc.string({ unit: "grapheme" }), fc.string({ unit: "grapheme", maxLength: 255 }), {
    maxKeys: 20,
  });
  fc.assert(
    fc.property(metadata, fc.string(), (facts, address) => {
      const entry = someone(facts, address);
      const meta = metaOf(entry);
      expect(toEntry("weft", meta)).toEqual(entry);
      // Consul's limits on a service's Meta.
      expect(Object.keys(meta).length).toBeLessThanOrEqual(64);
      for (const [key, value] of Object.entries(meta)) {
        expect(key).toMatch(/^[a-zA-Z0-9_-]{1,128}$/);
        expect(Buffer.byteLength(value)).toBeLessThanOrEqual(512);
      }
    }),
  );
});

test("more metadata than Consul holds is INVALID_ARGUMENT", () => {
  const much = Object.fromEntries(Array.from({ length: 200 }, (_, key) => [`k${key}`, "v".repeat(255)]));
  expect(() => metaOf(someone(much))).toThrow(expect.objectContaining({ reason: "INVALID_ARGUMENT" }));
});

test("entries of others are none", () => {
  expect(toEntry("other", metaOf(someone()))).toBeUndefined();
  expect(toEntry("weft", null)).toBeUndefined();
  expect(toEntry("weft", { version: "1" })).toBeUndefined();
  expect(toEntry("weft", { "weft-0": "{" })).toBeUndefined();
  expect(toEntry("weft", { "weft-0": '{"namespace":"weft","service":"user"}' })).toBeUndefined();
});

test("a registration says the rest in Consul's own terms", () => {
  const entry = someone({ version: "1.2", zone: "東京", weight: "5", grpc: "127.0.0.1:9", else: "x" }, "[::1]:80");
  expect(toRegistration("weft", entry, "ttl")).toMatchObject({
    ...{ Name: "weft-user", ID: "weft:user:a", Address: "::1", Port: 80, Weights: { Passing: 5, Warning: 1 } },
    Tags: ["version=1.2", "zone=東京", "weight=5"],
    Meta: { version: "1.2", zone: "東京", weight: "5" },
    Check: { CheckID: "weft:user:a:o1", TTL: "1500ms", Status: "passing", DeregisterCriticalServiceAfter: "1m" },
  });
  expect(toRegistration("weft", entry, "grpc")["Check"]).toMatchObject({
    ...{ GRPC: "127.0.0.1:9", Interval: "1000ms", Timeout: "1000ms" },
  });
  expect(toRegistration("weft", someone({ weight: "0" }, "somewhere"), "grpc")).toEqual(
    expect.not.objectContaining({ Weights: expect.anything(), Port: expect.anything() }),
  );
});

test("no two names meet", () => {
  const id = (namespace: string, service: string, of: string) =>
    entryNames(namespace, { ...someone(), instance: { ...someone().instance, service, id: of } }).id;
  expect(new Set([id("a", "b:c", "d"), id("a", "b", "c:d"), id("a-b", "c", "d"), id("a", "b-c", "d")]).size).toBe(4);
  expect(serviceName("weft", "a/b c")).toBe("weft-a%2Fb%20c");
  expect(() => serviceName("weft", "\ud800")).toThrow(expect.objectContaining({ reason: "INVALID_ARGUMENT" }));
});
